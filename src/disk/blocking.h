// Data operations one at a time, for code that may wait (journal headers, verify, logs): submit and reap until done.
// The Disk must have nothing else in flight.
#pragma once

#include "base/bytes.h"
#include "disk/disk.h"

namespace longhaul::disk {
/// Bytes read; fewer than asked only at end of file.
Result<std::size_t> read_now(Disk& disk, OpenFile& file, std::uint64_t offset, Bytes into);
Result<> write_now(Disk& disk, OpenFile& file, std::uint64_t offset, ConstBytes from);
Result<> sync_now(Disk& disk, OpenFile& file, bool metadata_too);
}  // namespace longhaul::disk
