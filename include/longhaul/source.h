// Where bytes come from. Small interfaces: implement them to send what is not a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "longhaul/entry.h"
#include "longhaul/fidelity.h"
#include "longhaul/name_list.h"
#include "longhaul/selection.h"
#include "longhaul/status.h"

namespace longhaul {

/// The content of one entry. Thread-safe: several workers read different parts at once.
class Reader {
 public:
  virtual ~Reader() = default;
  /// Fills `into` from `offset`; returns the bytes read. Fewer than asked means the end of the content.
  /// May block only as long as a memory copy or local disk read takes.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) = 0;
};

/// A set of entries to send. `next` is called from one thread, `open` from any.
class Source {
 public:
  virtual ~Source() = default;
  /// Appends at most `max` more entries to `out`, parents before their children. Returns false when there are no more.
  /// An entry that cannot be looked at is reported with `errors` and skipped.
  virtual Result<bool> next(std::vector<Entry>& out, std::vector<Error>& errors, std::size_t max) = 0;
  /// Opens the content of a file entry that `next` gave.
  virtual Result<std::shared_ptr<Reader>> open(const Entry& entry) = 0;
  /// Begins again with the first entry, for a receiver that was restarted. False when that cannot be done.
  virtual bool rewind() { return false; }
  /// Whether content may be read again (after a lost connection, or by a second run).
  virtual bool rereadable() const { return true; }
  /// Sum of all sizes when it is known beforehand.
  virtual std::optional<std::uint64_t> total_bytes() const { return std::nullopt; }
};

/// Files, directories and symlinks on this machine. As rsync: `dir` lands as TARGET/dir, `dir/` lands its content.
/// `name`, one file name: the one path, or its content, lands as TARGET/name instead. Errors: a path that does not
/// exist, a rule that is none, a name for several.
Result<std::unique_ptr<Source>> tree_source(const std::vector<std::string>& paths, const Selection& selection = {},
                                            const Fidelity& fidelity = {}, const std::string& name = {});

/// What `names` names beneath `directory`, by its name relative to it, with the directories that lead there. As rsync
/// --files-from: a directory that is named arrives without its content, `dir/` with what is in it, one level deep; with
/// `recursive` (rsync's -r) either arrives with all beneath it. A name that leads to nothing, or through a symlink, is
/// an error of that name only. `name`: as above. Errors: `directory` is none, a rule that is none.
Result<std::unique_ptr<Source>> listed_source(const std::string& directory, const NameList& names,
                                              bool recursive = false, const Selection& selection = {},
                                              const Fidelity& fidelity = {}, const std::string& name = {});

/// One file called `name` with the bytes of `content`, which must stay unchanged until the transfer has ended.
std::unique_ptr<Source> memory_source(std::string name, std::span<const std::byte> content);

/// One file called `name` whose bytes are read once, in order, from the file descriptor `fd` (a pipe, say). `fd` is not
/// closed. Not re-readable; length unknown.
std::unique_ptr<Source> stream_source(std::string name, int fd);

}  // namespace longhaul
