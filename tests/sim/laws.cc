#include "laws.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "chunk/digest_tree.h"
#include "journal/journal_file.h"
#include "journal/landing.h"
#include "journal/manifest.h"
#include "protocol/bounds.h"

namespace longhaul::sim {
namespace {

constexpr std::size_t complaints_max = 20;

bool same(const std::vector<std::byte>& content, const std::vector<std::byte>& right, std::uint64_t offset,
          std::uint64_t bytes) {
  if (content.size() < offset + bytes || right.size() < offset + bytes) return false;
  return bytes == 0 || std::memcmp(content.data() + offset, right.data() + offset, bytes) == 0;
}

constexpr std::string_view journal_suffix = ".journal";

Digest digest_of_node(std::span<const std::byte> content) {
  std::vector<Digest> leaves;
  for (std::size_t at = 0; at < content.size(); at += protocol::leaf_bytes)
    leaves.push_back(digest_of(content.subspan(at, std::min<std::size_t>(protocol::leaf_bytes, content.size() - at))));
  return chunk::node_digest(leaves);
}

/// Empty: the content ends before it.
std::span<const std::byte> node_of(const std::vector<std::byte>& content, std::uint64_t node) {
  const std::uint64_t begin = std::min<std::uint64_t>(node * protocol::node_bytes, content.size());
  return std::span(content).subspan(begin, std::min<std::uint64_t>(protocol::node_bytes, content.size() - begin));
}

/// The digest that stands in a node's record; empty: the journal ends before it.
std::span<const std::byte> record_of(const std::vector<std::byte>& journal, std::uint64_t node) {
  const std::uint64_t at = journal::journal_header_bytes + node * journal::record_bytes;
  if (journal.size() < at + journal::record_bytes) return {};
  return std::span(journal).subspan(at, sizeof(Digest));
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

/// Where a file waits that appears with its tree.
std::string Laws::landing_name(const std::string& path) const {
  return target_ + "/.longhaul/tree/" + path;
}

/// While its tree is on its way from one name to the other, neither is sure, but one of them is.
bool Laws::survives_in_its_tree(const std::string& path) const {
  if (whole_.empty() || !path.starts_with(whole_ + "/")) return false;
  std::shared_ptr<const Inode> at = files_.look(target_ + "/" + whole_);
  for (std::size_t begin = whole_.size() + 1; at != nullptr && begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto here = at->names.find(name);
    const auto there = at->durable_names.find(name);
    if (here == at->names.end() || there == at->durable_names.end()) return false;
    if (here->second.inode != there->second.inode || !at->unsynced.empty()) return false;
    at = here->second.inode;
    begin = end + 1;
  }
  return at != nullptr && same_bytes(at->bytes, at->durable_bytes) && at->cached == at->durable &&
         wrong_about(path, *at).empty();
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
  if (is_internal(name)) return;
  if (!whole_.empty() && name.starts_with(whole_ + "/"))
    return complain(name + " appears by itself, not with its tree");
  if (inode.type == disk::FileType::directory) return named_tree(name, inode);
  if (inode.type == disk::FileType::file) look_at_published(name, inode);
}

/// One that has something in it comes from elsewhere, by a rename: it appears with all that it has.
void Laws::named_tree(const std::string& name, const Inode& dir) {
  const auto same_name = [](const auto& one, const auto& other) { return one.second.inode == other.second.inode; };
  if (!dir.names.empty() && (!dir.unsynced.empty() || dir.cached != dir.durable ||
                             !std::ranges::equal(dir.names, dir.durable_names, same_name)))
    complain(name + " appears as a whole before it is durable");
  for (const auto& [entry_name, entry] : dir.names) {
    const std::string path = name + "/" + entry_name;
    if (entry.inode->type == disk::FileType::directory) named_tree(path, *entry.inode);
    if (entry.inode->type == disk::FileType::file) look_at_published(path, *entry.inode);
  }
}

void Laws::look_at_published(const std::string& name, const Inode& inode) {
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
  if (inode.links == 0) return;  // nobody sees it yet, or any more
  if (!is_internal(in_target(path))) return complain(path + " was written to, outside the landing zone");
  if (path.ends_with(journal_suffix)) {
    // The journal of a landing file that was lost may still be written to: nobody will read it, and its name may be a
    // new file's by now.
    if (files_.look(path).get() == &inode) journal_written(path, inode, offset, bytes);
    return;
  }
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

/// A node's record says that the node is durable: it must be so when the record is written.
void Laws::journal_written(const std::string& name, const Inode& journal, std::uint64_t offset, std::uint64_t bytes) {
  const std::string part = name.substr(0, name.size() - journal_suffix.size()) + ".part";
  constexpr std::uint64_t header = journal::journal_header_bytes;
  if (offset + bytes <= header) return;
  // A record of which only a part was written by this call is left to the next one.
  const std::uint64_t skip = std::max(offset, header) - header;
  const std::uint64_t first = (skip + journal::record_bytes - 1) / journal::record_bytes;
  const std::uint64_t end = (offset + bytes - header) / journal::record_bytes;
  for (std::uint64_t node = first; node < end; ++node) {
    const auto digest = record_of(journal.bytes, node);
    if (std::ranges::all_of(digest, [](std::byte each) { return each == std::byte{}; })) continue;  // grown
    if (!is_node_of(part, node, digest))
      complain(fmt::format("{} got a record for node {}, which is not durable like that", name, node));
  }
}

/// The digest is that of this node of some version, or of a mixture, and `part` has it durably.
bool Laws::is_node_of(const std::string& part, std::uint64_t node, std::span<const std::byte> digest) const {
  const auto inode = files_.look(part);
  if (inode == nullptr) return false;
  const auto of_version = [&](const Version& version) {
    const auto content = node_of(version.bytes, node);
    if (content.empty() || !same(inode->durable_bytes, version.bytes, node * protocol::node_bytes, content.size()))
      return false;
    const Digest right = digest_of_node(content);
    return std::memcmp(right.bytes.data(), digest.data(), sizeof right) == 0;
  };
  return std::ranges::any_of(versions_, [&](const auto& each) {
    if (landing_part(each.first) != part) return false;
    if (std::ranges::any_of(each.second, of_version)) return true;
    // As long as one of the versions: what the file has behind that is padding.
    return std::ranges::any_of(each.second, [&](const Version& version) {
      const Extent extent{node * protocol::node_bytes, node_of(version.bytes, node).size()};
      if (extent.bytes == 0 || !is_mixture(each.first, inode->durable_bytes, extent)) return false;
      const Digest right = digest_of_node(std::span(inode->durable_bytes).subspan(extent.offset, extent.bytes));
      return std::memcmp(right.bytes.data(), digest.data(), sizeof right) == 0;
    });
  });
}

/// A crash right now would leave a record for each node of it.
bool Laws::journalled(const std::string& path, Extent extent) const {
  const std::string part = landing_part(path);
  const std::string name = part.substr(0, part.size() - std::string_view(".part").size()) + std::string(journal_suffix);
  const auto journal = files_.look(name);
  if (journal == nullptr || !files_.name_survives(name)) return false;
  for (std::uint64_t at = extent.offset; at < extent.offset + extent.bytes; at += protocol::node_bytes) {
    const std::uint64_t node = at / protocol::node_bytes;
    const auto digest = record_of(journal->durable_bytes, node);
    if (digest.empty() || !is_node_of(part, node, digest)) return false;
  }
  return true;
}

void Laws::doubt(const std::string& path, std::string words) {
  doubts_.try_emplace(path, Doubt{clock_.now(), std::move(words)});
}

void Laws::settle_doubts(Time before) {
  for (const auto& [path, doubt] : doubts_)
    if (doubt.at < before) complain(doubt.words);
  std::erase_if(doubts_, [before](const auto& each) { return each.second.at < before; });
}

/// It must be so that a crash right now would not take it.
void Laws::promised(const std::string& path, std::uint64_t offset, std::uint64_t bytes) {
  if (sender_lies_) return;
  settle_doubts(clock_.now());
  const Extent extent{offset, bytes};
  promised_[path].insert(extent);
  const std::string final_name = target_ + "/" + path;
  for (const std::string& name : {final_name, landing_name(path)})
    if (files_.survives(name) && wrong_about(path, *files_.look(name)).empty()) return;
  if (survives_in_its_tree(path)) return;
  const auto part = files_.look(landing_part(path));
  if (part == nullptr) return doubt(path, fmt::format("{} at {} was answered durable and is nowhere", path, offset));
  if (!files_.name_survives(landing_part(path)))
    doubt(path, fmt::format("{} at {} was answered durable, but its landing file has no durable name", path, offset));
  promised_in_[part->number].insert(extent);
  if (!holds(path, part->durable_bytes, extent))
    return doubt(path, fmt::format("{} at {} was answered durable before it was", path, offset));
  if (!journalled(path, extent))
    doubt(path, fmt::format("{} at {} was answered durable before its record in the journal was", path, offset));
}

void Laws::promise_void(const std::string& path) {
  settle_doubts(clock_.now());
  doubts_.erase(path);
  promised_.erase(path);
  if (const auto part = files_.look(landing_part(path)); part != nullptr) promised_in_.erase(part->number);
}

// --- at rest ----------------------------------------------------------------------------------------------------

/// `content` has what some version of the source has there.
bool Laws::holds(const std::string& path, const std::vector<std::byte>& content, Extent extent) const {
  const auto at = versions_.find(path);
  const auto is_of = [&](const Version& version) { return same(content, version.bytes, extent.offset, extent.bytes); };
  return at != versions_.end() && (std::ranges::any_of(at->second, is_of) || is_mixture(path, content, extent));
}

/// What is rewritten while it is read may land as a mixture, which the look at its end finds out: every byte is that of
/// some version. Nothing of it may be published, and a record may say nothing else.
bool Laws::is_mixture(const std::string& path, const std::vector<std::byte>& content, Extent extent) const {
  const auto at = versions_.find(path);
  if (at == versions_.end() || at->second.size() < 2 || content.size() < extent.offset + extent.bytes) return false;
  for (std::uint64_t i = extent.offset; i < extent.offset + extent.bytes; ++i)
    if (std::ranges::none_of(at->second, [&](const Version& version) {
          return i < version.bytes.size() && version.bytes[i] == content[i];
        }))
      return false;
  return true;
}

void Laws::look_at_everything() {
  settle_doubts(time_never);
  if (sender_lies_) return;
  files_.for_each(target_, ".longhaul", [&](const std::string& path, const Inode& inode) {
    if (inode.type != disk::FileType::file) return;
    if (const std::string wrong = wrong_about(path, inode); !wrong.empty())
      complain(path + " stands at its final name and " + wrong);
  });
  for (const auto& [path, extents] : promised_) {
    if (files_.look(target_ + "/" + path) != nullptr || files_.look(landing_name(path)) != nullptr) continue;
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
