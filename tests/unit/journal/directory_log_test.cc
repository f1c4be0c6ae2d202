#include "journal/directory_log.h"

#include "places.h"

namespace longhaul::journal {
namespace {

template <class Place>
class Directories : public JournalTest<Place> {};
TYPED_TEST_SUITE(Directories, Places);

TYPED_TEST(Directories, ReadBackwardsOverManyBuffers) {
  auto log = DirectoryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE(log) << log.error().text;
  const auto path_of = [](std::uint32_t i) {
    // Some are longer than one buffer.
    return std::to_string(i) + std::string(i % 1000 == 500 ? 700'000 : i % 300, 'd');
  };
  constexpr std::uint32_t count = 6000;
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE((*log)->append({path_of(i), i & 07777U, -static_cast<std::int64_t>(i)}));
  }
  EXPECT_EQ((*log)->count(), count);
  std::uint32_t next = count;
  auto read = (*log)->read_backwards([&](const DirectoryRecord& record) {
    --next;
    ASSERT_EQ(record.path, path_of(next));
    ASSERT_EQ(record.mode, next & 07777U);
    ASSERT_EQ(record.mtime_ns, -static_cast<std::int64_t>(next));
  });
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(next, 0U);
  ASSERT_TRUE((*log)->remove());
  EXPECT_FALSE(this->exists(this->root_, "directories"));
}

TYPED_TEST(Directories, BeginsAnewAndMayBeEmpty) {
  {
    auto old = DirectoryLog::create(*this->disk_, this->root_, "directories");
    ASSERT_TRUE((*old)->append({"old", 0755, 1}));
    ASSERT_TRUE((*old)->read_backwards([](const DirectoryRecord&) {}));
  }
  auto log = DirectoryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE(log);
  int seen = 0;
  ASSERT_TRUE((*log)->read_backwards([&](const DirectoryRecord&) { ++seen; }));
  EXPECT_EQ(seen, 0);
}

TYPED_TEST(Directories, DamageIsAnError) {
  auto log = DirectoryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE((*log)->append({"first", 0755, 1}));
  ASSERT_TRUE((*log)->append({"second", 0755, 1}));
  ASSERT_TRUE((*log)->read_backwards([](const DirectoryRecord&) {}));
  const auto whole = this->read_all(this->root_, "directories");
  for (const std::size_t at : {std::size_t{0}, std::size_t{21}, whole.size() - 4, whole.size() - 1}) {
    auto file = *this->disk_->open_file(this->root_, "directories", disk::Open::write, false);
    const std::byte wrong = whole[at] ^ std::byte{0x41};
    ASSERT_TRUE(disk::write_now(*this->disk_, *file, at, {&wrong, 1}));
    auto read = (*log)->read_backwards([](const DirectoryRecord&) {});
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().code, Code::corrupt);
    ASSERT_TRUE(disk::write_now(*this->disk_, *file, at, {&whole[at], 1}));
  }
}

}  // namespace
}  // namespace longhaul::journal
