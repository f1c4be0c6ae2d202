// A list of names of what is to be sent from one directory: read once, kept in order, walked as often as need be.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "longhaul/status.h"

namespace longhaul {

namespace disk {
class SortedNames;
}

struct NameListOptions {
  /// Names end in NUL, and each is taken as it is. Else they end with their line, and blank lines and lines that begin
  /// with '#' or ';' are no names.
  bool nul_ended = false;
  bool ends_at_empty_name = false;  ///< with `nul_ended`: what comes behind an empty name is not read as names
  std::size_t memory_bytes = std::size_t{32} << 20U;  ///< what is more than that goes to a file
  std::string spool_directory = "/var/tmp";           ///< of that file, which has no name there
};

/// Cheap to copy; its content never changes. Memory: up to three times `memory_bytes` while it is read, and 16 MiB for
/// each walk over a list that is longer.
class NameList {
 public:
  /// Reads `fd` to its end; a pipe or terminal is waited for, until `stop` is not 0. `called`: what the list is called
  /// in messages. A name is relative to the directory; a leading "/" or "./" and doubled slashes are taken out, "dir/",
  /// "dir/." and "." ask for the content. Errors: usage - cannot be read, or a name with "..", "/./" or NUL, or one
  /// that is too long, by its line; io - the file for a long list cannot be written; interrupted.
  static Result<NameList> read(int fd, const std::string& called, const NameListOptions& options = {},
                               const std::atomic<int>* stop = nullptr);

  /// Writes the names as `read` takes them with `nul_ended` and `ends_at_empty_name`: for another process. Errors:
  /// connection - nobody reads; interrupted.
  Result<> write(int fd, const std::atomic<int>* stop = nullptr) const;

  /// For the library itself.
  [[nodiscard]] const std::shared_ptr<const disk::SortedNames>& sorted() const { return names_; }

 private:
  explicit NameList(std::shared_ptr<const disk::SortedNames> names) : names_(std::move(names)) {}
  std::shared_ptr<const disk::SortedNames> names_;
};

}  // namespace longhaul
