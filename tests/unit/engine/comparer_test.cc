#include "engine/comparer.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t piece_bytes = ContentHash::piece_bytes;

/// Content in memory, of which reading may fail.
class TestReader final : public Reader {
 public:
  TestReader(std::string content, bool fails) : content_(std::move(content)), fails_(fails) {}
  Result<std::size_t> read_at(std::uint64_t offset, Bytes into) override {
    if (fails_) return fail(Code::io, "the reader fails");
    const auto rest = std::span(content_).subspan(std::min<std::size_t>(offset, content_.size()));
    const std::size_t bytes = std::min(rest.size(), into.size());
    std::ranges::copy(std::as_bytes(rest.first(bytes)), into.begin());
    return bytes;
  }

 private:
  std::string content_;
  bool fails_;
};

class ComparerTest : public ::testing::Test {
 protected:
  ContentJob job(const std::string& name, std::uint64_t size, Delta by = Delta::sha256) {
    ContentJob job;
    job.by = by;
    job.root_too = true;
    job.size = size;
    job.tally = tally_;
    job.open = [this, name](disk::Disk& disk) -> Result<Content> {
      opened_.push_back(name);
      auto file = disk.open_file(place_.root, name, disk::Open::read, false);
      if (!file) return std::unexpected(file.error());
      return Content{.file = *file, .reader = nullptr};
    };
    job.check = [size](const disk::Stat& found) -> Result<> {
      if (found.size == size) return {};
      return fail(Code::source_changed, "it is another file");
    };
    job.done = [this, name](Result<Compared> found) {
      EXPECT_FALSE(found_.contains(name)) << name << " is told of twice";
      found_.emplace(name, std::move(found));
    };
    return job;
  }
  ContentJob job_of_reader(const std::string& content, std::uint64_t size, bool fails = false) {
    ContentJob it = job("reader", size);
    it.open = [content, fails](disk::Disk&) -> Result<Content> {
      return Content{.file = nullptr, .reader = std::make_shared<TestReader>(content, fails)};
    };
    it.check = [](const disk::Stat&) -> Result<> { return fail(Code::internal, "there is nothing to look at"); };
    return it;
  }
  void add(ContentJob job) {
    comparer_.count(job);
    comparer_.add(std::move(job));
  }
  void reap() {
    while (disk::Operation* operation = place_.data_disk->reap()) EXPECT_TRUE(comparer_.take(*operation));
  }
  void run() {
    for (int steps = 0; steps < 100'000; ++steps) {
      if (comparer_.step()) continue;
      if (place_.data_disk->in_flight() == 0) return;
      disk::Operation* operation = place_.data_disk->wait();
      ASSERT_TRUE(comparer_.take(*operation));
    }
    FAIL() << "it never came to its end";
  }
  void run_to(std::uint64_t bytes) {
    while (tally_->bytes < bytes) {
      if (comparer_.step()) continue;
      ASSERT_TRUE(comparer_.take(*place_.data_disk->wait()));
    }
  }
  std::string text_of_size(std::size_t bytes) {
    std::string text(bytes, 'x');
    for (std::size_t at = 0; at < bytes; at += 1000) text[at] = static_cast<char>('a' + at / 1000 % 26);
    return text;
  }
  void expect_error(const std::string& name, Code code) {
    ASSERT_TRUE(found_.contains(name));
    ASSERT_FALSE(found_.at(name)) << name;
    EXPECT_EQ(found_.at(name).error().code, code) << found_.at(name).error().text;
  }

  Place place_;
  std::shared_ptr<ComparingTally> tally_ = std::make_shared<ComparingTally>();
  std::vector<std::string> opened_;
  std::map<std::string, Result<Compared>> found_;
  Comparer comparer_{*place_.data_disk, [this] { reap(); }};
};

TEST_F(ComparerTest, ReadsFilesOfAnySizeByEitherDigest) {
  const std::vector<std::size_t> sizes = {0, 1, piece_bytes, 3 * piece_bytes + 7, protocol::whole_bytes_max + 5};
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string name = "file " + std::to_string(i);
    place_.put("target/" + name, text_of_size(sizes[i]));
    add(job(name, sizes[i], i % 2 == 0 ? Delta::sha256 : Delta::xxh3));
    all += sizes[i];
  }
  EXPECT_GT(comparer_.load(), all);
  run();
  ASSERT_EQ(found_.size(), sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string name = "file " + std::to_string(i);
    ASSERT_TRUE(found_.at(name)) << found_.at(name).error().text;
    EXPECT_EQ(found_.at(name)->digests.root, chunk::file_digest(place_.content(name)));
    EXPECT_EQ(found_.at(name)->version.size, sizes[i]);
  }
  EXPECT_EQ(tally_->bytes, all);
  EXPECT_EQ(comparer_.load(), 0U);
  EXPECT_FALSE(comparer_.step());
}

TEST_F(ComparerTest, SmallFilesDoNotWaitForALargeOne) {
  constexpr std::size_t large = 20 * piece_bytes;
  place_.put("target/large", text_of_size(large));
  place_.put("target/small", "small");
  add(job("large", large));
  add(job("small", 5));
  run_to(piece_bytes + 5);
  EXPECT_FALSE(found_.contains("large"));
  run();
  EXPECT_TRUE(found_.contains("large"));
}

TEST_F(ComparerTest, HolesAreNotRead) {
  std::string text(8 * piece_bytes + 100, '\0');
  text.replace(5 * piece_bytes, 4, "data");
  place_.put("target/sparse", text);
  place_.fs.dig("target/sparse");
  std::uint64_t read = 0;
  place_.fs.fault = [&](const sim::FaultPoint& point) {
    if (point.operation == "read") read += point.bytes;
    return 0;
  };
  add(job("sparse", text.size()));
  run();
  ASSERT_TRUE(found_.at("sparse"));
  EXPECT_EQ(found_.at("sparse")->digests.root, chunk::file_digest(bytes_of(text)));
  EXPECT_LE(read, 2 * piece_bytes);
  EXPECT_EQ(tally_->bytes, text.size());
}

TEST_F(ComparerTest, WhatCannotBeReadIsTold) {
  place_.put("target/bad", text_of_size(3 * piece_bytes));
  place_.put("target/good", "good");
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "read" && point.offset >= piece_bytes ? EIO : 0;
  };
  add(job("missing", 5));
  add(job("bad", 3 * piece_bytes));
  add(job("good", 4));
  run();
  expect_error("missing", Code::not_found);
  expect_error("bad", Code::io);
  EXPECT_TRUE(found_.at("good"));
}

TEST_F(ComparerTest, AnotherVersionIsNotDigested) {
  place_.put("target/other", "other size");
  add(job("other", 5));
  run();
  expect_error("other", Code::source_changed);
  for (const std::size_t then : {3 * piece_bytes, piece_bytes}) {
    found_.clear();
    tally_->bytes = 0;
    place_.put("target/changes", text_of_size(3 * piece_bytes));
    add(job("changes", 3 * piece_bytes));
    run_to(piece_bytes);
    place_.fs.rewrite("target/changes", bytes_of(text_of_size(then)), 99);
    run();
    expect_error("changes", Code::source_changed);
  }
}

TEST_F(ComparerTest, CallersReadersAreReadToo) {
  const std::string text = text_of_size(piece_bytes + 9);
  add(job_of_reader(text, text.size()));
  run();
  ASSERT_TRUE(found_.at("reader")) << found_.at("reader").error().text;
  EXPECT_EQ(found_.at("reader")->digests.root, chunk::file_digest(bytes_of(text)));
  found_.clear();
  add(job_of_reader(text, text.size() + 1));
  run();
  expect_error("reader", Code::source_changed);
  found_.clear();
  add(job_of_reader(text, text.size(), true));
  run();
  expect_error("reader", Code::io);
  EXPECT_EQ(comparer_.load(), 0U);
}

TEST_F(ComparerTest, WhatNobodyWaitsForIsDropped) {
  place_.put("target/large", text_of_size(20 * piece_bytes));
  add(job("large", 20 * piece_bytes));
  run_to(piece_bytes);
  add(job("never opened", 5));
  tally_->ended = true;
  run();
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(opened_, std::vector<std::string>{"large"});
  EXPECT_LT(tally_->bytes, 3 * piece_bytes);
  EXPECT_EQ(comparer_.load(), 0U);
}

TEST_F(ComparerTest, StopsAtOnce) {
  place_.put("target/large", text_of_size(20 * piece_bytes));
  for (int i = 0; i < 3; ++i) add(job("large", 20 * piece_bytes));
  run_to(piece_bytes);
  comparer_.stop();
  EXPECT_FALSE(comparer_.step());
  while (place_.data_disk->in_flight() > 0) ASSERT_TRUE(comparer_.take(*place_.data_disk->wait()));
  EXPECT_FALSE(comparer_.step());
  EXPECT_EQ(place_.data_disk->in_flight(), 0U);
  EXPECT_LE(tally_->bytes, 2 * piece_bytes);
  EXPECT_EQ(opened_.size(), 1U) << "the others were never begun";
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace longhaul::engine
