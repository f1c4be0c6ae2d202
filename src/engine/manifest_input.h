// A manifest that somebody has named: a file of their own, or a directory that transfers have landed in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "disk/disk.h"
#include "journal/manifest_stream.h"
#include "longhaul/manifest.h"
#include "longhaul/status.h"

namespace longhaul::engine {

/// A path of the user's taken apart: the directory, open, and the last component.
struct NamedPlace {
  disk::DirPtr directory;
  std::string directory_name;  ///< as the user would write it
  std::string name;
};
/// Errors: usage - `path` has no last component; the directory cannot be opened.
Result<NamedPlace> place_of(disk::Disk& disk, const std::string& path);

/// May be read any number of times; each pass is on the same open file.
class ManifestInput {
 public:
  /// Errors: not_found - no such file; or a directory in which no transfer has ended.
  static Result<ManifestInput> open(disk::Disk& disk, const std::string& path);
  /// The manifest of a target, or nothing else.
  static Result<ManifestInput> of_target(disk::Disk& disk, const disk::DirPtr& target, const std::string& called);

  Result<std::unique_ptr<journal::RecordReader>> read(disk::Disk& disk) const;
  /// All of it, without looking at the files: whether it is whole, and its signature holds. Errors: corrupt; io;
  /// interrupted.
  Result<ManifestSummary> check(disk::Disk& disk, const StopFlag* stop) const;

  [[nodiscard]] const std::string& name() const { return name_; }  ///< for people
  /// Which file it is.
  [[nodiscard]] bool is(const Identity& identity) const {
    return identity.inode == stat_.inode && identity.device == stat_.device;
  }

 private:
  static Result<ManifestInput> of_file(disk::Disk& disk, disk::FilePtr file, const std::string& called);

  disk::FilePtr file_;
  disk::Stat stat_;
  std::string name_;
  const char* advice_ = journal::transfer_again;
};

/// Behind the end of a manifest: its roots, and who has signed it. Errors (corrupt): the signature does not hold.
Result<ManifestSummary> summary_of(const journal::RecordReader& reader, const std::string& name);
[[nodiscard]] ManifestSummary summary_of(const journal::ManifestSeal& seal, std::uint64_t bytes);
[[nodiscard]] ManifestFile shown(const journal::ManifestRecord& record);

}  // namespace longhaul::engine
