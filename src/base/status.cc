#include "longhaul/status.h"

#include <cerrno>
#include <system_error>

namespace longhaul {
namespace {

Code code_of_errno(int system_errno) {
  switch (system_errno) {
    case ENOSPC:
    case EDQUOT:
      return Code::no_space;
    case EACCES:
    case EPERM:
      return Code::permission;
    case EROFS:
      return Code::read_only;
    case ENOENT:
    case ENOTDIR:
      return Code::not_found;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ETIMEDOUT:
      return Code::connection;
    case EBUSY:
    case ETXTBSY:
      return Code::busy;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::unsupported;
    default:
      return Code::io;
  }
}

}  // namespace

const char* name_of(Code code) {
  switch (code) {
    case Code::usage:
      return "usage";
    case Code::io:
      return "io";
    case Code::not_found:
      return "not_found";
    case Code::permission:
      return "permission";
    case Code::read_only:
      return "read_only";
    case Code::no_space:
      return "no_space";
    case Code::busy:
      return "busy";
    case Code::source_changed:
      return "source_changed";
    case Code::corrupt:
      return "corrupt";
    case Code::protocol:
      return "protocol";
    case Code::connection:
      return "connection";
    case Code::refused:
      return "refused";
    case Code::stalled:
      return "stalled";
    case Code::interrupted:
      return "interrupted";
    case Code::unsupported:
      return "unsupported";
    case Code::internal:
      return "internal";
  }
  return "unknown";  // a number from a newer peer, cast by a caller that did not look
}

Error error_of_errno(int system_errno, const std::string& what) {
  return {code_of_errno(system_errno), what + ": " + std::generic_category().message(system_errno), system_errno};
}

}  // namespace longhaul
