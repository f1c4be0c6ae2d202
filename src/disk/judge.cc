#include "disk/judge.h"

#include <cerrno>

namespace longhaul::disk {
namespace {

Judgement judge_error(std::int64_t result) {
  // EINTR and EAGAIN say that the operation was not carried out. Repeating even a sync is safe then: it has not failed,
  // and an error of earlier writes is still reported. ECANCELED is not among them: nobody here cancels data operations,
  // so something is being torn down.
  if (result == -EINTR || result == -EAGAIN) return {.verdict = Verdict::retry};
  return {.verdict = Verdict::failed, .error = static_cast<std::int32_t>(result)};
}

/// The kernel never says this; if it does, the data cannot be trusted.
constexpr Judgement nonsense{.verdict = Verdict::failed, .progress_bytes = 0, .error = -EIO};

Judgement judge_read(std::uint32_t got, std::uint32_t wanted, std::uint32_t alignment) {
  if (got == wanted) return {.verdict = Verdict::done, .progress_bytes = got};
  // An O_DIRECT read ends inside a block only where the file ends; going on from there would not even be permitted.
  if (got == 0 || got % alignment != 0) return {.verdict = Verdict::end_of_file, .progress_bytes = got};
  return {.verdict = Verdict::resubmit_rest, .progress_bytes = got};
}

Judgement judge_write(std::uint32_t put, std::uint32_t wanted, std::uint32_t alignment) {
  if (put == wanted) return {.verdict = Verdict::done, .progress_bytes = put};
  const std::uint32_t whole_blocks = put - put % alignment;  // the rest of a block is written again
  if (whole_blocks == 0) return nonsense;                    // no progress and no error: never loop on it
  return {.verdict = Verdict::resubmit_rest, .progress_bytes = whole_blocks};
}

}  // namespace

Judgement judge(Operation::Kind kind, std::int64_t result, std::uint32_t wanted, std::uint32_t alignment) {
  if (result < 0) return judge_error(result);
  if (result > wanted) return nonsense;
  const auto bytes = static_cast<std::uint32_t>(result);
  switch (kind) {
    case Operation::Kind::read:
      return judge_read(bytes, wanted, alignment);
    case Operation::Kind::write:
      return judge_write(bytes, wanted, alignment);
    case Operation::Kind::sync_data:
    case Operation::Kind::sync_file:
      return {.verdict = Verdict::done};
  }
  return nonsense;
}

}  // namespace longhaul::disk
