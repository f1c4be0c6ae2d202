#include "disk/blocking.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace longhaul::disk {
namespace {

constexpr std::size_t step_bytes_max =
    256 * 1024 * 1024;  ///< a multiple of every alignment, within what one call takes

/// The operation's result: bytes or -errno.
std::int64_t run(Disk& disk, Operation operation) {
  LH_CHECK(disk.in_flight() == 0, "a disk that is waited for has nothing else in flight");
  disk.submit(operation);
  const Operation* finished = disk.wait();
  LH_CHECK(finished == &operation, "a disk hands back what it was given");
  return operation.result;
}

}  // namespace

Result<std::size_t> read_now(Disk& disk, OpenFile& file, std::uint64_t offset, Bytes into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto step = static_cast<std::uint32_t>(std::min(step_bytes_max, into.size() - done));
    const std::int64_t got = run(disk, {.kind = Operation::Kind::read,
                                        .file = &file,
                                        .data = into.data() + done,
                                        .offset = offset + done,
                                        .bytes = step});
    if (got < 0) return fail_errno(static_cast<int>(-got), "cannot read");
    done += static_cast<std::size_t>(got);
    if (got < step) break;
  }
  return done;
}

Result<> write_now(Disk& disk, OpenFile& file, std::uint64_t offset, ConstBytes from) {
  std::size_t done = 0;
  while (done < from.size()) {
    const auto step = static_cast<std::uint32_t>(std::min(step_bytes_max, from.size() - done));
    const std::int64_t put = run(disk, {.kind = Operation::Kind::write,
                                        .file = &file,
                                        .data = const_cast<std::byte*>(from.data()) + done,  // only read by a write
                                        .offset = offset + done,
                                        .bytes = step});
    if (put < 0) return fail_errno(static_cast<int>(-put), "cannot write");
    done += step;
  }
  return {};
}

Result<> sync_now(Disk& disk, OpenFile& file, bool metadata_too) {
  const auto kind = metadata_too ? Operation::Kind::sync_file : Operation::Kind::sync_data;
  const std::int64_t result = run(disk, {.kind = kind, .file = &file});
  if (result < 0) return fail_errno(static_cast<int>(-result), "cannot sync");
  return {};
}

}  // namespace longhaul::disk
