// The machine's file systems: io_uring where it pays and is allowed, plain calls elsewhere.
#pragma once

#include <memory>

#include "disk/disk.h"

namespace longhaul::ring {
class Ring;
}

namespace longhaul::disk {

/// `ring`: this thread's, or null where io_uring is forbidden. It must outlive the disk.
/// Which way an operation goes: O_DIRECT files and all syncs on file systems that have a device go to the ring; reads
/// are tried with RWF_NOWAIT first; tmpfs and buffered writes are plain calls (the kernel would only punt them).
std::unique_ptr<Disk> make_system_disk(ring::Ring* ring);

/// Raises RLIMIT_NOFILE to its hard limit. Call once at start.
void raise_file_limit();

}  // namespace longhaul::disk
