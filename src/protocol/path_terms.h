// A path's terms on the wire: what the dialler's options say of it, told in its Hello.
#pragma once

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::protocol {

class Hello;  // control.pb.h

/// Name and terms of `path` into `hello`. The path must pass `check_path`.
void put_path(const PathOptions& path, Hello& hello);

/// Name and terms that a peer's Hello tells; addresses are not among them. A Hello without terms (an older peer) has a
/// path without tags. Errors (Code::protocol): whatever `check_path` does not take, a cap over `path_cap_max`.
[[nodiscard]] Result<PathOptions> path_of(const Hello& hello);

}  // namespace longhaul::protocol
