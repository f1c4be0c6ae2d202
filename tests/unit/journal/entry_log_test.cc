#include "journal/entry_log.h"

#include "base/bytes.h"
#include "places.h"

namespace longhaul::journal {
namespace {

Entry directory(std::string path, std::uint32_t mode, std::int64_t mtime_ns) {
  return {.type = EntryType::directory, .path = std::move(path), .mode = mode, .mtime_ns = mtime_ns};
}

template <class Place>
class Entries : public JournalTest<Place> {};
TYPED_TEST_SUITE(Entries, Places);

TYPED_TEST(Entries, ReadBackwardsOverManyBuffers) {
  auto log = EntryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE(log) << log.error().text;
  const auto path_of = [](std::uint32_t i) {
    // Some are longer than one buffer.
    return std::to_string(i) + std::string(i % 1000 == 500 ? 700'000 : i % 300, 'd');
  };
  constexpr std::uint32_t count = 6000;
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE((*log)->append(directory(path_of(i), i & 07777U, -static_cast<std::int64_t>(i))));
  }
  EXPECT_EQ((*log)->count(), count);
  std::uint32_t next = count;
  auto read = (*log)->read_backwards([&](const Entry& record) {
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

TYPED_TEST(Entries, BeginsAnewAndMayBeEmpty) {
  {
    auto old = EntryLog::create(*this->disk_, this->root_, "directories");
    ASSERT_TRUE((*old)->append(directory("old", 0755, 1)));
    ASSERT_TRUE((*old)->read_backwards([](const Entry&) {}));
  }
  auto log = EntryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE(log);
  int seen = 0;
  ASSERT_TRUE((*log)->read_backwards([&](const Entry&) { ++seen; }));
  EXPECT_EQ(seen, 0);
}

TYPED_TEST(Entries, PropertiesAreKept) {
  auto log = EntryLog::create(*this->disk_, this->root_, "entries");
  Entry wanted = directory("d", 02775, -5);
  wanted.owner = Owner{.user = 7, .group = 9, .user_name = "ada", .group_name = ""};
  wanted.attributes =
      Attributes{.extended = true, .acls = false, .list = {{"user.a", std::string("\0x", 2)}, {"user.b", ""}}};
  Entry link{.type = EntryType::hard_link, .path = "d/second", .link_target = "d/first"};
  const Entry device{.type = EntryType::special,
                     .path = "d/null",
                     .special = Special{.kind = Special::Kind::character_device, .major = 1, .minor = 3}};
  for (const Entry& each : {wanted, link, device}) ASSERT_TRUE((*log)->append(each));
  std::vector<Entry> seen;
  ASSERT_TRUE((*log)->read_backwards([&](const Entry& entry) { seen.push_back(entry); }));
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].type, EntryType::special);
  EXPECT_EQ(seen[0].special, device.special);
  EXPECT_FALSE(seen[0].owner || seen[0].attributes);
  EXPECT_EQ(seen[1].type, EntryType::hard_link);
  EXPECT_EQ(seen[1].link_target, "d/first");
  EXPECT_EQ(seen[2].owner, wanted.owner);
  ASSERT_TRUE(seen[2].attributes);
  EXPECT_TRUE(seen[2].attributes->extended && !seen[2].attributes->acls);
  EXPECT_EQ(seen[2].attributes->list, wanted.attributes->list);
}

TYPED_TEST(Entries, DamageIsAnError) {
  auto log = EntryLog::create(*this->disk_, this->root_, "directories");
  ASSERT_TRUE((*log)->append(directory("first", 0755, 1)));
  ASSERT_TRUE((*log)->append(directory("second", 0755, 1)));
  ASSERT_TRUE((*log)->read_backwards([](const Entry&) {}));
  const auto whole = this->read_all(this->root_, "directories");
  const std::size_t first = load<std::uint32_t>(whole.data());
  for (const std::size_t at : {std::size_t{0}, first - 4, whole.size() - 4, whole.size() - 1}) {
    auto file = *this->disk_->open_file(this->root_, "directories", disk::Open::write, false);
    const std::byte wrong = whole[at] ^ std::byte{0x41};
    ASSERT_TRUE(disk::write_now(*this->disk_, *file, at, {&wrong, 1}));
    auto read = (*log)->read_backwards([](const Entry&) {});
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().code, Code::corrupt);
    ASSERT_TRUE(disk::write_now(*this->disk_, *file, at, {&whole[at], 1}));
  }
}

}  // namespace
}  // namespace longhaul::journal
