#include "engine/manifest_input.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "journal/landing.h"
#include "security/identity.h"
#include "security/signature.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20U;
constexpr unsigned symlinks_max = 40;  // as the kernel has it
constexpr const char* make_again = "get it again from where it came, or make a new one with 'longhaul manifest'";

}  // namespace

Result<NamedPlace> place_of(disk::Disk& disk, const std::string& path) {
  const std::size_t name_at = path.rfind('/') + 1;  // 0 when there is no slash
  NamedPlace place{.directory = {}, .directory_name = path.substr(0, name_at), .name = path.substr(name_at)};
  if (place.name.empty() || place.name == "." || place.name == "..")
    return fail(Code::usage, fmt::format("'{}' is a directory, and the name of a file is wanted", printable(path)));
  if (name_at == 0) place.directory_name.push_back('.');
  auto directory = disk.open_root(place.directory_name);
  if (!directory) return std::unexpected(std::move(directory.error()));
  place.directory = std::move(*directory);
  return place;
}

Result<ManifestInput> ManifestInput::of_target(disk::Disk& disk, const disk::DirPtr& target,
                                               const std::string& called) {
  auto zone = disk.open_dir(target, journal::zone_name);
  if (!zone) return fail(Code::not_found, called + " has no manifest: no transfer has ended there");
  auto file = disk.open_file(*zone, "manifest", disk::Open::read, false);
  if (!file && file.error().code == Code::not_found)
    return fail(Code::not_found, called + " has no manifest: no transfer has ended there");
  if (!file) return std::unexpected(std::move(file.error()));
  return of_file(disk, std::move(*file), called);
}

Result<ManifestInput> ManifestInput::of_file(disk::Disk& disk, disk::FilePtr file, const std::string& called) {
  auto stat = disk.stat(*file);
  if (!stat) return std::unexpected(std::move(stat.error()));
  ManifestInput input;
  input.file_ = std::move(file);
  input.stat_ = *stat;
  input.name_ = called;
  return input;
}

namespace {

/// A user's own path may lead through symlinks; what is opened beneath a directory may not.
Result<> follow_symlinks(disk::Disk& disk, NamedPlace& place) {
  for (unsigned i = 0; i < symlinks_max; ++i) {
    const auto found = disk.stat(place.directory, place.name);
    if (!found || found->type != disk::FileType::symlink) return {};  // opening it will tell
    const auto target = disk.read_link(place.directory, place.name);
    if (!target) return std::unexpected(target.error());
    auto next = place_of(disk, target->starts_with('/') ? *target : place.directory_name + "/" + *target);
    if (!next) return std::unexpected(std::move(next.error()));
    place = std::move(*next);
  }
  return {};
}

}  // namespace

Result<ManifestInput> ManifestInput::open(disk::Disk& disk, const std::string& path) {
  const auto target = disk.open_root(path);
  if (target) return of_target(disk, *target, path);
  const int why = target.error().system_errno;
  if (why != ENOTDIR && why != ENOENT) return std::unexpected(target.error());
  auto place = place_of(disk, path);
  if (!place) return std::unexpected(std::move(place.error()));
  if (auto followed = follow_symlinks(disk, *place); !followed) return std::unexpected(std::move(followed.error()));
  auto file = disk.open_file(place->directory, place->name, disk::Open::read, false);
  if (!file) return std::unexpected(std::move(file.error()));
  auto input = of_file(disk, std::move(*file), path);
  if (input) input->advice_ = make_again;
  return input;
}

Result<std::unique_ptr<journal::RecordReader>> ManifestInput::read(disk::Disk& disk) const {
  return journal::RecordReader::begin(disk, file_, name_, journal::ManifestKind::sorted, buffer_bytes, advice_);
}

Result<ManifestSummary> ManifestInput::check(disk::Disk& disk, const StopFlag* stop) const {
  auto reader = read(disk);
  if (!reader) return std::unexpected(std::move(reader.error()));
  for (bool more = true; more;) {
    if (stop != nullptr && stop->load() != 0) return fail(Code::interrupted, "stopped");
    auto record = (*reader)->next();
    if (!record) return std::unexpected(std::move(record.error()));
    more = record->has_value();
  }
  return summary_of(**reader, name_);
}

Result<ManifestSummary> summary_of(const journal::RecordReader& reader, const std::string& name) {
  if (auto holds = journal::check_signature(reader.seal()); !holds)
    return fail(Code::corrupt, fmt::format("manifest {}: {}", printable(name), holds.error().text));
  return summary_of(reader.seal(), reader.bytes_of_files());
}

ManifestSummary summary_of(const journal::ManifestSeal& seal, std::uint64_t bytes) {
  ManifestSummary summary{
      .files = seal.files, .bytes = bytes, .root = seal.root.hex(), .sha256_root = {}, .signer = {}};
  if (seal.sha256_root) summary.sha256_root = to_hex(*seal.sha256_root);
  if (seal.signature) summary.signer = security::format_fingerprint(security::signer_of(*seal.signature));
  return summary;
}

ManifestFile shown(const journal::ManifestRecord& record) {
  ManifestFile file{
      .path = record.path, .size = record.size, .mtime_ns = record.mtime_ns, .digest = record.root.hex(), .sha256 = {}};
  if (record.sha256) file.sha256 = to_hex(*record.sha256);
  return file;
}

}  // namespace longhaul::engine
