// How a program uses Longhaul: buffers go from memory to files on another machine - here, over loopback - with nothing
// but the public headers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <random>

#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"

namespace longhaul {
namespace {

using Buffer = std::vector<std::byte>;

Buffer random_buffer(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Buffer buffer(bytes);
  for (auto& byte : buffer) byte = static_cast<std::byte>(random());
  return buffer;
}

class MemoryTransfer : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lh-engine-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    options_.workers = 1;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void meet() {
    auto listening = Session::listen(options_, nullptr);
    ASSERT_TRUE(listening) << listening.error().text;
    here_ = std::move(*listening);
    auto dialling = Session::dial(here_->ticket(), options_, nullptr);
    ASSERT_TRUE(dialling) << dialling.error().text;
    there_ = std::move(*dialling);
  }
  /// One transfer, both ends; expects both to say that it is complete.
  static Report transfer(Session& from, Session& to, std::unique_ptr<Source> source, std::unique_ptr<Sink> sink) {
    auto received = std::async(std::launch::async, [&] { return to.receive(std::move(sink)); });
    const Outcome sent = from.send(std::move(source));
    EXPECT_TRUE(sent.ok) << sent.error.text;
    const Outcome landed = received.get();
    EXPECT_TRUE(landed.ok) << landed.error.text;
    EXPECT_EQ(sent.report.files, landed.report.files);
    return sent.report;
  }
  [[nodiscard]] Buffer read(const std::string& name) const {
    std::ifstream in(directory_ + "/" + name, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }

  std::string directory_;
  Options options_;
  std::unique_ptr<Session> here_;
  std::unique_ptr<Session> there_;
};

TEST_F(MemoryTransfer, ABufferBecomesAFile) {
  meet();
  const Buffer tensor = random_buffer(20'000'001, 1);
  const Report report = transfer(*there_, *here_, memory_source("tensor.bin", tensor), directory_sink(directory_));
  EXPECT_EQ(report.bytes, tensor.size());
  EXPECT_EQ(report.durability, "fsync");
  EXPECT_TRUE(read("tensor.bin") == tensor);
}

Buffer text_buffer(std::size_t bytes) {
  Buffer buffer(bytes);
  const Buffer noise = random_buffer(4096, bytes);
  for (std::size_t i = 0; i < bytes; ++i) buffer[i] = noise[(i * 13 + i / 4096) % 4096] & std::byte{0x0f};
  return buffer;
}

TEST_F(MemoryTransfer, WhatShrinksCrossesPacked) {
  options_.compression = {Compression::Mode::always, 1};
  for (const Cipher cipher : {Cipher::automatic, Cipher::none}) {
    options_.cipher = cipher;
    meet();
    for (const std::size_t bytes : {0UL, 3'000UL, 131'072UL, 8'388'608UL, 20'000'001UL}) {
      const Buffer content = text_buffer(bytes);
      const std::string name = std::string(name_of(cipher)) + std::to_string(bytes);
      const Report report = transfer(*there_, *here_, memory_source(name, content), directory_sink(directory_));
      EXPECT_TRUE(read(name) == content) << name;
      EXPECT_EQ(report.compression, "zstd:1");
      EXPECT_EQ(report.packed_frames > 0, bytes > 0) << name;
      EXPECT_LT(report.wire_bytes, report.paths.at(0).bytes + 1) << name;
    }
    const Buffer random = random_buffer(10'000'000, 5);
    const Report report = transfer(*there_, *here_, memory_source("random", random), directory_sink(directory_));
    EXPECT_TRUE(read("random") == random);
    EXPECT_GT(report.futile_frames, 0U);
    std::filesystem::remove(directory_ + "/random");
  }
}

TEST_F(MemoryTransfer, SizesOfEveryKind) {
  meet();
  for (const std::size_t bytes : {0UL, 1UL, 131'072UL, 131'073UL, 8'388'608UL, 8'388'609UL}) {
    const Buffer content = random_buffer(bytes, bytes);
    const std::string name = "of " + std::to_string(bytes);
    transfer(*there_, *here_, memory_source(name, content), directory_sink(directory_));
    EXPECT_TRUE(read(name) == content) << bytes;
  }
}

TEST_F(MemoryTransfer, OneSessionCarriesTransfersInBothDirections) {
  meet();
  const Buffer up = random_buffer(9'000'000, 2);
  const Buffer down = random_buffer(10'000'000, 3);
  transfer(*there_, *here_, memory_source("up 1", up), directory_sink(directory_));
  transfer(*here_, *there_, memory_source("down 1", down), directory_sink(directory_));
  // And at once.
  auto other_way = std::async(std::launch::async, [&] {
    transfer(*here_, *there_, memory_source("down 2", down), directory_sink(directory_));
  });
  transfer(*there_, *here_, memory_source("up 2", up), directory_sink(directory_));
  other_way.get();
  EXPECT_TRUE(read("up 1") == up);
  EXPECT_TRUE(read("up 2") == up);
  EXPECT_TRUE(read("down 1") == down);
  EXPECT_TRUE(read("down 2") == down);
}

/// Tensors of a training step, made up as they are asked for.
class StepSource final : public Source {
 public:
  static constexpr unsigned tensors = 120;
  static Buffer content(unsigned number) { return random_buffer(number % 40 == 0 ? 9'000'000 : number * 700, number); }

  Result<bool> next(std::vector<Entry>& out, std::vector<Error>&, std::size_t max) override {
    for (std::size_t i = 0; i < max && next_ < tensors; ++i) {
      Entry entry;
      entry.path = "tensor " + std::to_string(next_);
      entry.size = content(next_).size();
      entry.origin = next_++;
      out.push_back(std::move(entry));
    }
    return next_ < tensors;
  }
  Result<std::shared_ptr<Reader>> open(const Entry& entry) override {
    return std::make_shared<TensorReader>(content(entry.origin));
  }
  bool rewind() override {
    next_ = 0;
    return true;
  }

 private:
  class TensorReader final : public Reader {
   public:
    explicit TensorReader(Buffer content) : content_(std::move(content)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
      const std::size_t bytes = std::min<std::size_t>(into.size(), content_.size() - std::min(offset, content_.size()));
      std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), bytes, into.begin());
      return bytes;
    }

   private:
    const Buffer content_;
  };
  unsigned next_ = 0;
};

/// Keeps everything in memory.
class MemorySink final : public Sink {
 public:
  struct File : Writer {
    Result<> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const std::lock_guard lock(mutex);
      if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
      std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
      return {};
    }
    Result<> finish(std::uint64_t size) override {
      const std::lock_guard lock(mutex);
      finished = content.size() == size;
      return {};
    }
    std::mutex mutex;
    Buffer content;
    bool finished = false;
  };
  explicit MemorySink(std::map<std::string, std::shared_ptr<File>>& files) : files_(files) {}
  Result<std::shared_ptr<Writer>> create(const Entry& entry) override {
    return files_[entry.path] = std::make_shared<File>();
  }

 private:
  std::map<std::string, std::shared_ptr<File>>& files_;
};

TEST_F(MemoryTransfer, ACallersSourceFillsACallersSink) {
  meet();
  std::map<std::string, std::shared_ptr<MemorySink::File>> files;
  const Report report = transfer(*there_, *here_, std::make_unique<StepSource>(), std::make_unique<MemorySink>(files));
  EXPECT_EQ(report.files, StepSource::tensors);
  EXPECT_EQ(report.durability, "none (stream)");
  ASSERT_EQ(files.size(), StepSource::tensors);
  for (unsigned number = 0; number < StepSource::tensors; ++number) {
    const auto& file = *files["tensor " + std::to_string(number)];
    EXPECT_TRUE(file.finished) << number;
    EXPECT_TRUE(file.content == StepSource::content(number)) << number;
  }
}

/// One file that has less than it has announced.
class ShortSource final : public Source {
 public:
  Result<bool> next(std::vector<Entry>& out, std::vector<Error>&, std::size_t) override {
    Entry entry;
    entry.path = "short";
    entry.size = 10'000'000;
    out.push_back(std::move(entry));
    return false;
  }
  Result<std::shared_ptr<Reader>> open(const Entry&) override { return std::make_shared<SixMillion>(); }

 private:
  struct SixMillion final : Reader {
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
      const std::uint64_t left = 6'000'000 - std::min<std::uint64_t>(6'000'000, offset);
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left));
      std::fill_n(into.begin(), bytes, std::byte{1});
      return bytes;
    }
  };
};

TEST_F(MemoryTransfer, ASourceThatEndsEarlyIsNotFilledUp) {
  meet();
  auto received = std::async(std::launch::async, [&] { return here_->receive(directory_sink(directory_)); });
  const Outcome sent = there_->send(std::make_unique<ShortSource>());
  EXPECT_TRUE(sent.ok) << sent.error.text;
  EXPECT_EQ(sent.report.failed_files, 1U);
  ASSERT_EQ(sent.report.errors.size(), 1U);
  EXPECT_NE(sent.report.errors[0].error.text.find("shorter"), std::string::npos) << sent.report.errors[0].error.text;
  EXPECT_TRUE(received.get().ok);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/short"));
}

TEST_F(MemoryTransfer, CopyIsBothEndsInOne) {
  const Buffer content = random_buffer(1'000'000, 4);
  const Outcome outcome = copy(memory_source("file", content), directory_sink(directory_), options_, nullptr);
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
  EXPECT_TRUE(read("file") == content);
}

TEST_F(MemoryTransfer, AnIdentityThatIsNoneIsRefused) {
  options_.identity_pem = "this is no key";
  const auto session = Session::listen(options_, nullptr);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::usage);
  EXPECT_NE(session.error().text.find("identity"), std::string::npos) << session.error().text;
}

TEST_F(MemoryTransfer, AStopEndsItResumably) {
  StopFlag stop{0};
  auto listening = Session::listen(options_, nullptr, &stop);
  ASSERT_TRUE(listening);
  auto received = std::async(std::launch::async, [&] { return (*listening)->receive(directory_sink(directory_)); });
  stop = 1;
  const Outcome outcome = received.get();
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error.code, Code::interrupted);
}

}  // namespace
}  // namespace longhaul
