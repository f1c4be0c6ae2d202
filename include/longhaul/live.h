// What can be changed about a transfer while it runs.
#pragma once

#include <cstdint>
#include <string>

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul {

struct Report;

/// One change.
struct Adjustment {
  enum class Kind : std::uint8_t {
    add_path,      ///< `path`: as in Options::paths; an empty name is filled in
    drain_path,    ///< no new chunks; its streams close when what they carry has been received; then it rests
    cap_path,      ///< `cap_bits_per_s` from now on; 0: none
    disable_path,  ///< its streams close at once, their chunks go elsewhere
    enable_path,   ///< back in use, after drain_path or disable_path
    remove_path,   ///< as disable_path, and it is known no more; its bytes stay in the report
    pause,         ///< nothing is sent until `resume`; no deadline for progress runs
    resume,
    rate,  ///< all paths together carry at most `cap_bits_per_s`; 0: no limit
  };
  Kind kind = Kind::pause;
  PathOptions path;  ///< add_path: all of it; the other changes of a path: its `name`
  std::uint64_t cap_bits_per_s = 0;
};

/// A running transfer, seen from outside. Any method from any thread; each waits for the session's control thread, and
/// for the peer where the change is the peer's to make, but not longer than about 10 s.
class Live {
 public:
  virtual ~Live() = default;
  /// The id of the ticket that both sides met by: 32 hexadecimal digits.
  virtual std::string id() const = 0;
  /// Paths belong to the side that dials, sending to the side that sends: a change that is the other side's to make is
  /// handed on to it. Returns what has been done, in words. Errors: usage (the name of a path is taken), not_found (no
  /// such path; the words list those there are), refused (policy, or the peer would not), connection (the peer is
  /// away), stalled (it did not answer).
  virtual Result<std::string> adjust(const Adjustment& adjustment) = 0;
  /// The figures of now. Errors: stalled (the session is stuck in a disk).
  virtual Result<Report> snapshot() = 0;
};

}  // namespace longhaul
