// How Longhaul says that something did not work: a class for programs, words for people.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace longhaul {

/// The class of a failure: what a script branches on. The words are in `Error::text`.
enum class Code : std::uint8_t {
  usage,           ///< the caller asked for something that makes no sense
  io,              ///< a disk or file system call failed (EIO and the like)
  not_found,       ///< a file, directory or address does not exist
  permission,      ///< the operating system refused access
  read_only,       ///< the target is on a read-only file system
  no_space,        ///< target file system full, or quota used up
  busy,            ///< another transfer holds this name
  source_changed,  ///< the source file changed, shrank or vanished while it was sent
  corrupt,         ///< bytes do not match their digest
  protocol,        ///< the peer sent what the protocol does not allow
  connection,      ///< a connection could not be made or was lost
  refused,         ///< the peer, or this side, refused the other: ticket, version, policy
  stalled,         ///< a deadline passed without progress
  interrupted,     ///< a signal or `cancel()` ended it; it can be resumed
  unsupported,     ///< this machine, kernel or build cannot do it
  internal,        ///< a bug in Longhaul
};

/// A stable lower-case name for `code`, used in JSON events ("no_space").
const char* name_of(Code code);

/// What went wrong, to what, why, and what to do next, in one sentence.
struct Error {
  Code code = Code::internal;
  std::string text;
  int system_errno = 0;  ///< the errno behind it, or 0
};

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Code::io, "cannot read /a/b: ...");`
[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string text, int system_errno = 0) {
  return std::unexpected<Error>(Error{code, std::move(text), system_errno});
}

/// An Error from an errno value: the class by its meaning, the text "`what`: strerror".
[[nodiscard]] Error error_of_errno(int system_errno, const std::string& what);
[[nodiscard]] inline std::unexpected<Error> fail_errno(int system_errno, const std::string& what) {
  return std::unexpected<Error>(error_of_errno(system_errno, what));
}

}  // namespace longhaul
