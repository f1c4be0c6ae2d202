#include "ring/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "forbid.h"
#include "ring/setup.h"

namespace longhaul::ring {
namespace {

struct Result32 final : Completion {
  void complete(std::int32_t its_result) override {
    result = its_result;
    ++times;
  }
  std::int32_t result = 0;
  int times = 0;
};

class RingTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Ring::make(system_clock(), 8);
    if (!made) GTEST_SKIP() << made.error().text;
    ring_ = std::move(*made);
    file_ = Fd(::memfd_create("ring_test", MFD_CLOEXEC));
    ASSERT_TRUE(static_cast<bool>(file_));
  }
  void finish(const Result32& one) {
    while (one.times == 0) ring_->wait_for_data();
  }

  std::unique_ptr<Ring> ring_;
  Fd file_;
};

TEST_F(RingTest, WritesReadsAndSyncs) {
  Result32 written;
  Result32 read;
  Result32 synced;
  ring_->write(file_.get(), bytes_of("hello, ring"), 3, written);
  finish(written);
  EXPECT_EQ(written.result, 11);
  ring_->sync(file_.get(), true, synced);
  finish(synced);
  EXPECT_EQ(synced.result, 0);
  std::vector<std::byte> back(64);
  ring_->read(file_.get(), back, 3, read);
  finish(read);
  EXPECT_EQ(read.result, 11);
  EXPECT_EQ(text_of({back.data(), 11}), "hello, ring");
}

TEST_F(RingTest, TellsTheKernelsError) {
  Result32 failed;
  std::vector<std::byte> memory(16);
  ring_->read(1 << 20, memory, 0, failed);
  finish(failed);
  EXPECT_EQ(failed.result, -EBADF);
}

TEST_F(RingTest, MoreOperationsThanTheQueueHolds) {
  constexpr std::size_t count = 500;
  std::vector<std::byte> memory(count, std::byte{7});
  std::vector<Result32> all(count);
  for (std::size_t i = 0; i < count; ++i) ring_->write(file_.get(), {&memory[i], 1}, i, all[i]);
  for (const Result32& each : all) finish(each);
  for (const Result32& each : all) {
    EXPECT_EQ(each.result, 1);
    EXPECT_EQ(each.times, 1);
  }
  EXPECT_EQ(::lseek(file_.get(), 0, SEEK_END), static_cast<off_t>(count));
}

TEST_F(RingTest, AWaitEndsWithACompletion) {
  Result32 written;
  ring_->write(file_.get(), bytes_of("x"), 0, written);
  const Time begin = system_clock().now();
  ring_->wait(begin, begin + 10 * second);
  if (written.times == 0) ring_->wait(begin, begin + 10 * second);
  EXPECT_EQ(written.times, 1);
  EXPECT_LT(system_clock().now() - begin, 5 * second);
}

TEST_F(RingTest, AWakeMetWhileWaitingForDataIsNotLost) {
  Result32 written;
  ring_->write(file_.get(), bytes_of("x"), 0, written);
  ring_->wake();
  finish(written);
  const Time begin = system_clock().now();
  ring_->wait(begin, begin + 10 * second);
  EXPECT_LT(system_clock().now() - begin, 5 * second);
}

TEST_F(RingTest, RegisteredMemoryWorksLikeAnyOther) {
  std::vector<std::byte> arena(1 << 16, std::byte{42});
  if (!ring_->register_memory(arena)) GTEST_SKIP() << "the limit of locked memory is too small here";
  Result32 written;
  ring_->write(file_.get(), Bytes(arena).subspan(100, 1000), 0, written);
  finish(written);
  EXPECT_EQ(written.result, 1000);
  Result32 read;
  ring_->read(file_.get(), Bytes(arena).subspan(5000, 2000), 0, read);
  finish(read);
  EXPECT_EQ(read.result, 1000);
  std::vector<std::byte> elsewhere(1000);
  Result32 outside;
  ring_->read(file_.get(), elsewhere, 0, outside);
  finish(outside);
  EXPECT_EQ(outside.result, 1000);
  EXPECT_EQ(elsewhere, std::vector<std::byte>(1000, std::byte{42}));
}

/// Whoever has taken over a thread must not get by its ring what seccomp keeps from it.
TEST(RingSetup, ARingOnlyReadsWritesSyncsAndPolls) {
  io_uring ring{};
  if (const auto made = set_up(ring, 8); !made) GTEST_SKIP() << made.error().text;
  const auto answer_to = [&](const auto& prepare) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    prepare(entry);
    io_uring_cqe* done = nullptr;
    EXPECT_GE(io_uring_submit_and_wait(&ring, 1), 0);
    EXPECT_EQ(io_uring_peek_cqe(&ring, &done), 0);
    const int result = done == nullptr ? 0 : done->res;
    if (done != nullptr) io_uring_cqe_seen(&ring, done);
    return result;
  };
  const auto open = [](io_uring_sqe* entry) { io_uring_prep_openat(entry, -1, "/etc/passwd", O_RDONLY, 0); };
  const auto socket = [](io_uring_sqe* entry) { io_uring_prep_rw(IORING_OP_CONNECT, entry, 0, nullptr, 0, 0); };
  const auto linked = [](io_uring_sqe* entry) {
    io_uring_prep_fsync(entry, -1, 0);
    entry->flags = IOSQE_ASYNC;
  };
  const auto synced = [](io_uring_sqe* entry) { io_uring_prep_fsync(entry, -1, 0); };
  EXPECT_EQ(answer_to(open), -EACCES);
  EXPECT_EQ(answer_to(socket), -EACCES);
  EXPECT_EQ(answer_to(linked), -EACCES);
  EXPECT_EQ(answer_to(synced), -EBADF) << "what it is for is looked at";
  const int nobody = -1;
  EXPECT_EQ(io_uring_register_files(&ring, &nobody, 1), -EACCES);
  take_down(ring);
}

TEST(RingSetup, TheEnvironmentCanForbidIt) {
  ASSERT_EQ(::setenv("LONGHAUL_NO_IO_URING", "1", 1), 0);
  const auto made = Ring::make(system_clock());
  const Capabilities found = probe();
  ASSERT_EQ(::unsetenv("LONGHAUL_NO_IO_URING"), 0);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::unsupported);
  EXPECT_NE(made.error().text.find("LONGHAUL_NO_IO_URING"), std::string::npos);
  EXPECT_FALSE(found.usable);
  EXPECT_EQ(found.reason, made.error().text);
}

TEST(RingSetup, SaysInWordsWhyAMachineHasNone) {
  const auto explain = [](int error) {
    const bool set = forbid_call(SYS_io_uring_setup, error);
    const Capabilities found = probe();
    const auto made = Ring::make(system_clock());
    std::fprintf(stderr, "%s\n", found.reason.c_str());
    std::_Exit(set && !found.usable && !made && made.error().code == Code::unsupported ? 0 : 1);
  };
  EXPECT_EXIT(explain(ENOSYS), testing::ExitedWithCode(0), "this kernel has none");
  EXPECT_EXIT(explain(EPERM), testing::ExitedWithCode(0), "seccomp|io_uring_disabled");
  EXPECT_EXIT(explain(ENOMEM), testing::ExitedWithCode(0), "ulimit -l");
}

TEST(RingSetup, ProbeAgreesWithMaking) {
  const Capabilities found = probe();
  EXPECT_EQ(found.usable, Ring::make(system_clock()).has_value());
  EXPECT_EQ(found.reason.empty(), found.usable);
}

}  // namespace
}  // namespace longhaul::ring
