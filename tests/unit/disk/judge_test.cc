#include "disk/judge.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

namespace longhaul::disk {
namespace {

using Kind = Operation::Kind;

constexpr std::uint32_t want = 8192;

struct Row {
  Kind kind;
  std::int64_t result;
  std::uint32_t wanted;
  std::uint32_t alignment;
  Judgement expected;
};

constexpr Judgement done(std::uint32_t bytes) {
  return {Verdict::done, bytes, 0};
}
constexpr Judgement rest(std::uint32_t bytes) {
  return {Verdict::resubmit_rest, bytes, 0};
}
constexpr Judgement retry{Verdict::retry, 0, 0};
constexpr Judgement end(std::uint32_t bytes) {
  return {Verdict::end_of_file, bytes, 0};
}
constexpr Judgement failed(int error) {
  return {Verdict::failed, 0, -error};
}

void check(const std::vector<Row>& table) {
  for (const Row& row : table) {
    const Judgement judged = judge(row.kind, row.result, row.wanted, row.alignment);
    EXPECT_EQ(judged, row.expected) << "kind " << static_cast<int>(row.kind) << " result " << row.result
                                    << " alignment " << row.alignment << ": verdict "
                                    << static_cast<int>(judged.verdict) << " progress " << judged.progress_bytes
                                    << " error " << judged.error;
  }
}

TEST(Judge, ErrorsMeanTheSameForAll) {
  for (const Kind kind : {Kind::read, Kind::write, Kind::sync_data, Kind::sync_file}) {
    const std::uint32_t wanted = kind == Kind::read || kind == Kind::write ? want : 0;
    check({{kind, -EINTR, wanted, 1, retry},
           {kind, -EAGAIN, wanted, 1, retry},
           {kind, -ECANCELED, wanted, 1, failed(ECANCELED)},
           {kind, -EIO, wanted, 1, failed(EIO)},
           {kind, -ENOSPC, wanted, 1, failed(ENOSPC)}});
  }
}

TEST(Judge, Reads) {
  check({{Kind::read, 0, want, 1, end(0)},
         {Kind::read, 1, want, 1, rest(1)},
         {Kind::read, want - 1, want, 1, rest(want - 1)},
         {Kind::read, want, want, 1, done(want)},
         {Kind::read, want + 1, want, 1, failed(EIO)}});
}

TEST(Judge, ReadsOfAlignedFilesEndInsideABlockOnlyAtTheEnd) {
  check({{Kind::read, 0, want, 4096, end(0)},
         {Kind::read, 1, want, 4096, end(1)},
         {Kind::read, 4096, want, 4096, rest(4096)},
         {Kind::read, want - 1, want, 4096, end(want - 1)},
         {Kind::read, want, want, 4096, done(want)}});
}

TEST(Judge, Writes) {
  check({{Kind::write, 0, want, 1, failed(EIO)},
         {Kind::write, 1, want, 1, rest(1)},
         {Kind::write, want - 1, want, 1, rest(want - 1)},
         {Kind::write, want, want, 1, done(want)},
         {Kind::write, want + 1, want, 1, failed(EIO)}});
}

TEST(Judge, WritesOfAlignedFilesGoOnAtABlock) {
  check({{Kind::write, 0, want, 4096, failed(EIO)},
         {Kind::write, 1, want, 4096, failed(EIO)},
         {Kind::write, 4096, want, 4096, rest(4096)},
         {Kind::write, want - 1, want, 4096, rest(4096)},
         {Kind::write, want, want, 4096, done(want)}});
}

TEST(Judge, Syncs) {
  for (const Kind kind : {Kind::sync_data, Kind::sync_file})
    check({{kind, 0, 0, 1, done(0)}, {kind, 1, 0, 1, failed(EIO)}, {kind, 0, 0, 4096, done(0)}});
}

}  // namespace
}  // namespace longhaul::disk
