// The one place that says what the kernel's answer to a data operation means, for plain calls and io_uring alike.
#pragma once

#include <cstdint>

#include "disk/disk.h"

namespace longhaul::disk {

enum class Verdict : std::uint8_t {
  done,           ///< all that was wanted
  resubmit_rest,  ///< some of it: ask again for what is left
  retry,          ///< nothing happened: ask again for the same
  end_of_file,    ///< reads: there is no more
  failed,         ///< with `error`
};

struct Judgement {
  Verdict verdict = Verdict::failed;
  std::uint32_t progress_bytes = 0;  ///< how much further the operation is now
  std::int32_t error = 0;            ///< -errno when failed, else 0
  bool operator==(const Judgement&) const = default;
};

/// `result`: bytes or -errno, as the kernel said it. `wanted`: bytes that were asked for in this call (syncs: 0).
/// `alignment`: the file's; a short transfer of an O_DIRECT file goes on at a multiple of it.
[[nodiscard]] Judgement judge(Operation::Kind kind, std::int64_t result, std::uint32_t wanted, std::uint32_t alignment);

}  // namespace longhaul::disk
