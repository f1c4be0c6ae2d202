#include "journal/manifest_sort.h"

#include <algorithm>
#include <map>
#include <string>

#include "places.h"

namespace longhaul::journal {
namespace {

template <class Place>
class Sorter : public JournalTest<Place> {
 protected:
  Result<std::vector<ManifestRecord>> sorted(const std::vector<ManifestRecord>& records, std::size_t memory_bytes) {
    ManifestSorter sorter(*this->disk_, system_random(), this->place_.path(), memory_bytes);
    for (const auto& record : records)
      if (auto added = sorter.add(record); !added) return std::unexpected(added.error());
    std::vector<ManifestRecord> found;
    auto visited = sorter.each([&](const ManifestRecord& record) -> Result<> {
      found.push_back(record);
      return {};
    });
    if (!visited) return std::unexpected(visited.error());
    return found;
  }
};
TYPED_TEST_SUITE(Sorter, Places);

ManifestRecord record_of(const std::string& path, std::uint64_t version, bool sha256) {
  ManifestRecord record{.path = path, .size = version, .mtime_ns = -1, .root = digest_of(bytes_of(path))};
  if (sha256) record.sha256 = security::sha256_of({bytes_of(path)});
  return record;
}

/// In memory, in a few runs, and in so many that runs of runs are merged: the same, and no file stays behind.
TYPED_TEST(Sorter, PutsThemInOrderAndTheLastOfAPathStays) {
  std::map<std::string, ManifestRecord> expected;
  std::vector<ManifestRecord> records;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::string path = "d" + std::to_string(i * 7919 % 1613) + "/" + std::string(1 + i % 9, 'x') + "\xfe";
    records.push_back(record_of(path, i, i % 3 == 0));
    expected[path] = records.back();
  }
  std::vector<ManifestRecord> in_order;
  for (const auto& [path, record] : expected) in_order.push_back(record);
  for (const std::size_t memory : {std::size_t{32} << 20U, std::size_t{100'000}, std::size_t{1}}) {
    const auto found = this->sorted(records, memory);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(*found, in_order) << memory;
  }
  EXPECT_TRUE(this->names_in(this->root_).empty());
}

TYPED_TEST(Sorter, OfNothingIsNothing) {
  EXPECT_EQ(this->sorted({}, 1), std::vector<ManifestRecord>());
  EXPECT_EQ(this->sorted({record_of("one", 1, true)}, 1), std::vector{record_of("one", 1, true)});
}

TYPED_TEST(Sorter, APlaceThatCannotBeWrittenIsTold) {
  ManifestSorter sorter(*this->disk_, system_random(), this->place_.path() + "/nowhere", 1);
  const auto opened = sorter.open_file();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find("TMPDIR"), std::string::npos) << opened.error().text;
  EXPECT_FALSE(sorter.add(record_of("a", 1, false)));
}

TYPED_TEST(Sorter, TheVisitorMayEndIt) {
  for (const std::size_t memory : {std::size_t{32} << 20U, std::size_t{1}}) {
    ManifestSorter sorter(*this->disk_, system_random(), this->place_.path(), memory);
    for (const char* path : {"c", "b", "a"}) ASSERT_TRUE(sorter.add(record_of(path, 1, false)));
    std::string seen;
    const auto visited = sorter.each([&](const ManifestRecord& record) -> Result<> {
      seen += record.path;
      return seen.size() < 2 ? Result<>() : fail(Code::interrupted, "enough");
    });
    ASSERT_FALSE(visited);
    EXPECT_EQ(visited.error().text, "enough");
    EXPECT_EQ(seen, "ab");
  }
}

}  // namespace
}  // namespace longhaul::journal
