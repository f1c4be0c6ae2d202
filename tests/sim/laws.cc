#include "laws.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "chunk/digest_tree.h"
#include "journal/manifest.h"

namespace longhaul::sim {
namespace {

constexpr std::size_t complaints_max = 20;

bool same(const std::vector<std::byte>& content, const std::vector<std::byte>& right, std::uint64_t offset,
          std::uint64_t bytes) {
  if (content.size() < offset + bytes || right.size() < offset + bytes) return false;
  return bytes == 0 || std::memcmp(content.data() + offset, right.data() + offset, bytes) == 0;
}

}  // namespace

void Laws::source_version(const std::string& path, std::span<const std::byte> bytes, std::uint32_t mode,
                          std::int64_t mtime_ns) {
  versions_[path].push_back({{bytes.begin(), bytes.end()}, mode, mtime_ns, chunk::file_digest(bytes)});
}

void Laws::complain(std::string words) {
  if (complaints_.size() < complaints_max) complaints_.push_back(std::move(words));
}

/// Relative to the target; empty for what is not beneath it.
std::string Laws::in_target(const std::string& path) const {
  return path.starts_with(target_ + "/") ? path.substr(target_.size() + 1) : std::string();
}

bool Laws::is_internal(const std::string& path) const {
  return path.find(".longhaul") != std::string::npos;
}

std::string Laws::landing_part(const std::string& path) const {
  return target_ + "/.longhaul/landing/" + digest_of(std::as_bytes(std::span(path))).hex() + ".part";
}

const Laws::Version* Laws::version_of(const std::string& path, const Inode& inode) const {
  const auto at = versions_.find(path);
  if (at == versions_.end()) return nullptr;
  for (const Version& version : at->second) {
    if (same_bytes(inode.bytes, version.bytes) && inode.cached == Metadata{version.mode, version.mtime_ns})
      return &version;
  }
  return nullptr;
}

/// What is wrong about a file that stands at its final name; empty: nothing.
std::string Laws::wrong_about(const std::string& path, const Inode& inode) const {
  const auto at = versions_.find(path);
  if (at == versions_.end()) return "was never in the source";
  if (version_of(path, inode) != nullptr) return {};
  for (const Version& version : at->second)
    if (same_bytes(inode.bytes, version.bytes)) return "has its content, but not the mode and mtime of that version";
  return fmt::format("is none of the {} versions of its source, with its {} bytes", at->second.size(),
                     inode.bytes.size());
}

// --- as it happens ----------------------------------------------------------------------------------------------

void Laws::named(const std::string& path, const Inode& inode) {
  const std::string name = in_target(path);
  if (name.empty()) return complain(path + " was made outside the target");
  if (is_internal(name) || inode.type != disk::FileType::file) return;
  published_.insert(inode.number);
  ++published_count_;
  if (!same_bytes(inode.bytes, inode.durable_bytes) || inode.cached != inode.durable)
    return complain(name + " appears at its final name before it is durable");
  if (sender_lies_) return;
  if (const std::string wrong = wrong_about(name, inode); !wrong.empty())
    return complain(name + " appears at its final name and " + wrong);
  if (!in_manifests(name, *version_of(name, inode), true))
    complain(name + " appears at its final name before its record in the manifest is durable");
}

void Laws::written(const Inode& inode, std::uint64_t offset, std::uint64_t bytes) {
  const std::string path = SimFileSystem::path_of(inode);
  if (published_.contains(inode.number))
    return complain(fmt::format("{} was written to at {} after it was published", path, offset));
  if (!is_internal(in_target(path))) return complain(path + " was written to, outside the landing zone");
  const auto promised = promised_in_.find(inode.number);
  if (promised == promised_in_.end()) return;
  for (const Extent& extent : promised->second) {
    const bool beside = offset >= extent.offset + extent.bytes || offset + bytes <= extent.offset;
    if (!beside) return complain(fmt::format("{} was written to at {}, in a durable chunk", path, offset));
  }
}

void Laws::metadata_set(const Inode& inode) {
  if (inode.type == disk::FileType::file && published_.contains(inode.number))
    complain(SimFileSystem::path_of(inode) + " got another mode or mtime after it was published");
}

/// It must be so that a crash right now would not take it.
void Laws::promised(const std::string& path, std::uint64_t offset, std::uint64_t bytes) {
  if (sender_lies_) return;
  const Extent extent{offset, bytes};
  promised_[path].insert(extent);
  const std::string final_name = target_ + "/" + path;
  if (files_.survives(final_name) && wrong_about(path, *files_.look(final_name)).empty()) return;
  const auto part = files_.look(landing_part(path));
  if (part == nullptr) return complain(fmt::format("{} at {} was answered durable and is nowhere", path, offset));
  if (!files_.name_survives(landing_part(path)))
    complain(fmt::format("{} at {} was answered durable, but its landing file has no durable name", path, offset));
  promised_in_[part->number].insert(extent);
  if (!holds(path, part->durable_bytes, extent))
    complain(fmt::format("{} at {} was answered durable before it was", path, offset));
}

void Laws::promise_void(const std::string& path) {
  promised_.erase(path);
  if (const auto part = files_.look(landing_part(path)); part != nullptr) promised_in_.erase(part->number);
}

// --- at rest ----------------------------------------------------------------------------------------------------

/// `content` has what some version of the source has there.
bool Laws::holds(const std::string& path, const std::vector<std::byte>& content, Extent extent) const {
  const auto at = versions_.find(path);
  return at != versions_.end() && std::ranges::any_of(at->second, [&](const Version& version) {
           return same(content, version.bytes, extent.offset, extent.bytes);
         });
}

void Laws::look_at_everything() {
  if (sender_lies_) return;
  files_.for_each(target_, ".longhaul", [&](const std::string& path, const Inode& inode) {
    if (inode.type != disk::FileType::file) return;
    if (const std::string wrong = wrong_about(path, inode); !wrong.empty())
      complain(path + " stands at its final name and " + wrong);
  });
  for (const auto& [path, extents] : promised_) {
    if (files_.look(target_ + "/" + path) != nullptr) continue;
    const auto part = files_.look(landing_part(path));
    for (const Extent& extent : extents)
      if (part == nullptr || !holds(path, part->bytes, extent))
        complain(fmt::format("{} at {} was answered durable and is not there", path, extent.offset));
  }
}

bool Laws::in_manifests(const std::string& path, const Version& version, bool durable_only) const {
  std::vector<std::byte> record;
  journal::encode_manifest_record({path, version.bytes.size(), version.mtime_ns, version.root}, record);
  bool found = false;
  files_.for_each(target_ + "/.longhaul", "landing", [&](const std::string& name, const Inode& inode) {
    if (found || !name.starts_with("manifest")) return;
    const auto& content = durable_only ? inode.durable_bytes : inode.bytes;
    found = !content.empty() && memmem(content.data(), content.size(), record.data(), record.size()) != nullptr;
  });
  return found;
}

void Laws::look_at_manifest() {
  files_.for_each(target_, ".longhaul", [&](const std::string& path, const Inode& inode) {
    if (inode.type != disk::FileType::file) return;
    const Version* version = version_of(path, inode);
    if (version != nullptr && !in_manifests(path, *version, false))
      complain(path + " stands at its final name and not in the manifest");
  });
}

}  // namespace longhaul::sim
