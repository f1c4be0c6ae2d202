// The names of a list in the order of a walk, each once: parents before what is beneath them, and all that is beneath a
// directory together. In memory, or in sorted runs in a file without a name, which every pass merges anew.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"
#include "disk/name_parser.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// Never changes once it is made: shared by threads. A record is a path, with a '/' behind it where content is asked
/// for.
class SortedNames {
 public:
  class Pass;
  class Maker;

 private:
  struct Place {
    std::uint32_t begin = 0;
    std::uint32_t bytes = 0;
  };
  struct Run {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  std::string text_;          ///< records, as they came
  std::vector<Place> order_;  ///< of these
  FilePtr file_;              ///< null: everything is in `text_`
  std::vector<Run> runs_;     ///< in `file_`: records in order, each ended by NUL
};

/// Fills a list. `disk` must outlive it.
class SortedNames::Maker {
 public:
  Maker(Disk& disk, Random& random, std::size_t memory_bytes, std::string spool_directory);
  /// Errors (Code::io): the file that is needed for more than `memory_bytes` cannot be written.
  Result<> add(const ListedName& name);
  Result<std::shared_ptr<const SortedNames>> finish();

 private:
  Result<> spill();
  Result<> open_file();
  [[nodiscard]] std::unexpected<Error> cannot_keep(const Error& why) const;

  Disk& disk_;
  Random& random_;
  std::size_t memory_bytes_;
  std::string spool_directory_;
  std::shared_ptr<SortedNames> names_ = std::make_shared<SortedNames>();
};

/// One pass over all names. Used by one thread at a time.
class SortedNames::Pass {
 public:
  explicit Pass(std::shared_ptr<const SortedNames> names);
  /// False: there are no more. Of a name that the list has with and without content, the first. Errors: the file.
  Result<bool> next(Disk& disk, ListedName& name);

 private:
  struct Reader {
    std::uint64_t at = 0;  ///< of what is not in `buffer` yet
    std::uint64_t end = 0;
    std::string buffer;
    std::size_t begin = 0;  ///< of the record at hand, in `buffer`
    std::size_t bytes = 0;
    [[nodiscard]] std::string_view record() const { return std::string_view(buffer).substr(begin, bytes); }
  };
  Result<bool> advance(Disk& disk, Reader& reader);
  Result<bool> next_record(Disk& disk, std::string& record);

  std::shared_ptr<const SortedNames> names_;
  std::size_t next_ = 0;  ///< in memory
  bool begun_ = false;
  std::size_t buffer_bytes_ = 0;
  std::vector<Reader> readers_;
  std::vector<Reader*> heap_;  ///< those that have a record; the first in order at the front
  std::string last_path_;
  bool any_ = false;
};

/// Whether the record `a` stands before `b`.
[[nodiscard]] bool stands_before(std::string_view a, std::string_view b);

}  // namespace longhaul::disk
