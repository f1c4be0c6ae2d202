// Which system calls this process may still make (seccomp(2)), and which of root's powers it keeps. Neither can be
// taken back.
#pragma once

#include "longhaul/status.h"

namespace longhaul::cli {

/// No program is started, no other process looked into, no mount, module, key or clock made, no device node unless this
/// process `makes_devices`, no socket of another family than unix, IPv4, IPv6 and netlink: EPERM. For all threads.
/// Errors: unsupported.
[[nodiscard]] Result<> filter_system_calls(bool makes_devices);

/// Of root's powers the calling thread, and those it starts from now on, keep what files of other owners, lockable
/// memory and network devices need. Others have none to begin with.
[[nodiscard]] Result<> drop_capabilities(bool makes_devices);

}  // namespace longhaul::cli
