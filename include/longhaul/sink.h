// Where bytes go. The directory sink has landing zone, journal, manifest and atomic publish; the others are for pipes
// and memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "longhaul/entry.h"
#include "longhaul/status.h"

namespace longhaul {

/// Takes the content of one entry. Thread-safe unless the sink is ordered.
class Writer {
 public:
  virtual ~Writer() = default;
  /// Stores verified bytes. An ordered sink gets them in order, each byte once, from one thread.
  virtual Result<> write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// All `size` bytes have been written and verified; the content is kept from here on.
  virtual Result<> finish(std::uint64_t size) = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  /// Begins an entry. Directories and symlinks come here too and may answer with a null writer.
  virtual Result<std::shared_ptr<Writer>> create(const Entry& entry) = 0;
  /// True when bytes must come in order (a pipe): the transfer then holds a bounded window in memory.
  virtual bool ordered() const { return false; }
  /// The directory that this sink fills, or empty. Directory sinks are served by the engine's own disk path.
  virtual std::string directory() const { return {}; }
  /// Directory sinks: the sender may make devices, pipes, sockets, setuid and setgid files, and set attributes that
  /// give powers (security.*, trusted.*).
  virtual bool takes_special() const { return false; }
  /// Directory sinks: the sender may have names deleted that it does not have (Options::mirror).
  virtual bool allows_delete() const { return false; }
};

/// A directory on this machine: created when missing (its parent must exist). Every file appears whole, verified,
/// durable. `special`: see Sink::takes_special; `deletes`: see Sink::allows_delete.
std::unique_ptr<Sink> directory_sink(std::string path, bool special = false, bool deletes = false);

/// Makes the directory `path`, durably, where it is missing (its parent must exist): for those who want it before they
/// have a session.
[[nodiscard]] Result<> make_target(const std::string& path);

/// Writes the one file of a transfer to `fd` in order. `fd` is not closed. A second file is refused.
std::unique_ptr<Sink> stream_sink(int fd);

}  // namespace longhaul
