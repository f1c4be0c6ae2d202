#include "engine/feed.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

class PipeFeed : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_ = Fd(ends[0]);
    write_ = Fd(ends[1]);
    feed_ = make_feed(stream_source("stdin", read_.get()));
    ASSERT_TRUE(feed_->begin(*place_.disk));
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    EXPECT_EQ(feed_->next(*place_.disk, entries, errors, 10), false);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].path, "stdin");
    EXPECT_FALSE(entries[0].size_known);
    reader_ = std::dynamic_pointer_cast<StreamReader>(feed_->open(*place_.disk, entries[0], false)->reader);
    ASSERT_TRUE(reader_);
  }
  void put(std::string_view text) { ASSERT_EQ(::write(write_.get(), text.data(), text.size()), std::ssize(text)); }
  std::string read(std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '\0');
    const auto got = reader_->read_at(offset, std::as_writable_bytes(std::span(text)));
    return got ? text.substr(0, *got) : "error";
  }

  Place place_;
  Fd read_;
  Fd write_;
  std::shared_ptr<Feed> feed_;
  std::shared_ptr<StreamReader> reader_;
};

TEST_F(PipeFeed, KeepsWhatCameUntilTheEnd) {
  put("hello ");
  EXPECT_EQ(reader_->fill(), true);
  put("world");
  EXPECT_EQ(reader_->fill(), true);
  EXPECT_EQ(reader_->available(), 11U);
  EXPECT_FALSE(reader_->ended());
  EXPECT_EQ(read(0, 100), "hello world");
  EXPECT_EQ(read(4, 4), "o wo");
  write_ = Fd();
  EXPECT_EQ(reader_->fill(), false);
  EXPECT_TRUE(reader_->ended());
  EXPECT_EQ(read(6, 100), "world");
}

TEST_F(PipeFeed, CannotBeReadAgain) {
  EXPECT_FALSE(feed_->rereadable());
  const auto again = feed_->begin(*place_.disk);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::connection);
}

TEST_F(PipeFeed, IsFullUntilSomethingIsDurable) {
  const int zero = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(zero, 0);
  const Fd endless(zero);
  const auto source = stream_source("zeros", zero);
  std::vector<Entry> entries;
  std::vector<Error> errors;
  ASSERT_EQ(source->next(entries, errors, 1), false);
  const auto zeros = std::dynamic_pointer_cast<StreamReader>(*source->open(entries[0]));
  for (int i = 0; i < 1000 && !zeros->full(); ++i) ASSERT_EQ(zeros->fill(), true);
  ASSERT_TRUE(zeros->full());
  const std::uint64_t window = zeros->available();
  EXPECT_EQ(window, 8 * protocol::node_bytes);
  ASSERT_EQ(zeros->fill(), true);
  EXPECT_EQ(zeros->available(), window);
  zeros->release_before(protocol::node_bytes);
  EXPECT_FALSE(zeros->full());
  ASSERT_EQ(zeros->fill(), true);
  EXPECT_GT(zeros->available(), window);
  std::byte byte{};
  EXPECT_FALSE(zeros->read_at(0, {&byte, 1})) << "what was let go is gone";
  EXPECT_TRUE(zeros->read_at(protocol::node_bytes, {&byte, 1}));
}

TEST(MemoryFeed, ReadsAnyPartAndBeginsAgain) {
  Place place;
  const std::string content = "some bytes in memory";
  const auto feed = make_feed(memory_source("name", bytes_of(content)));
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(feed->begin(*place.disk));
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    EXPECT_EQ(feed->next(*place.disk, entries, errors, 10), false);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].size, content.size());
    const auto reader = feed->open(*place.disk, entries[0], false)->reader;
    std::string part(5, '\0');
    EXPECT_EQ(reader->read_at(5, std::as_writable_bytes(std::span(part))), 5U);
    EXPECT_EQ(part, "bytes");
    EXPECT_EQ(reader->read_at(content.size() - 2, std::as_writable_bytes(std::span(part))), 2U);
    EXPECT_EQ(reader->read_at(content.size(), std::as_writable_bytes(std::span(part))), 0U);
  }
}

TEST(TreeFeed, WalksAndOpensOnAnyDisk) {
  Place place;
  place.fs.put_file("src/d/f", bytes_of("content"), 0640, 99);
  place.fs.put_symlink("src/l", "d");
  const auto feed = make_tree_feed({"src/"});
  ASSERT_TRUE(feed->begin(*place.disk));
  std::vector<Entry> entries;
  std::vector<FileError> errors;
  for (auto more = feed->next(*place.disk, entries, errors, 1); more && *more;)
    more = feed->next(*place.disk, entries, errors, 1);
  EXPECT_TRUE(errors.empty());
  const auto at = std::find_if(entries.begin(), entries.end(), [](const auto& each) { return each.path == "d/f"; });
  ASSERT_NE(at, entries.end());
  EXPECT_EQ(at->mode, 0640U);
  EXPECT_EQ(at->mtime_ns, 99);
  EXPECT_EQ(feed->words(*at), "src/d/f");
  EXPECT_TRUE(feed->open(*place.data_disk, *at, false)->file);
  EXPECT_FALSE(make_tree_feed({"nowhere"})->begin(*place.disk));
}

TEST(TreeFeed, TheOneSourceMayLandByAnotherName) {
  Place place;
  place.fs.put_file("in/src/d/f", bytes_of("content"), 0640, 99);
  place.fs.put_file("in/src/srcf", bytes_of("c"), 0640, 99);
  ASSERT_TRUE(
      place.disk->make_hard_link(*place.disk->open_root("in"), "src/d/f", *place.disk->open_root("in"), "src/g"));
  const auto paths_of = [&](const std::string& source, const std::string& name) {
    const auto feed = make_tree_feed({source}, {}, {.hard_links = true}, name);
    if (const auto begun = feed->begin(*place.disk); !begun) return std::vector<std::string>{begun.error().text};
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    EXPECT_EQ(feed->next(*place.disk, entries, errors, 100), false);
    std::vector<std::string> paths;
    for (const Entry& entry : entries) {
      paths.push_back(entry.path);
      if (entry.type == EntryType::hard_link) {
        EXPECT_TRUE(std::ranges::any_of(entries, [&](const Entry& each) { return each.path == entry.link_target; }));
      } else if (entry.type == EntryType::file) {
        EXPECT_TRUE(feed->open(*place.data_disk, entry, false)) << entry.path;
        EXPECT_TRUE(feed->words(entry).starts_with("in/src/")) << feed->words(entry);
      }
    }
    std::ranges::sort(paths);
    return paths;
  };
  const std::vector<std::string> all = {"n", "n/d", "n/d/f", "n/g", "n/srcf"};
  EXPECT_EQ(paths_of("in/src", "n"), all);
  EXPECT_EQ(paths_of("in/src/", "n"), all);
  EXPECT_EQ(paths_of("in/src/srcf", "n"), std::vector<std::string>{"n"});
  EXPECT_EQ(paths_of("in/src/", "").front(), "");
}

}  // namespace
}  // namespace longhaul::engine
