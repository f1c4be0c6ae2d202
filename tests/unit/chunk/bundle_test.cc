#include "chunk/bundle.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "chunk/digest_tree.h"
#include "golden/content.h"
#include "golden/golden.h"

namespace longhaul::chunk {
namespace {

struct Payload {
  std::vector<std::byte> bytes;
  Digest table_digest;
  std::size_t table_bytes = 0;
};

/// 100 bytes, an empty file, one that could not be read, 33 bytes.
std::vector<BundleRow> four_rows(ConstBytes contents) {
  return {{.file = 7, .bytes = 100, .digest = file_digest(contents.first(100))},
          {.file = 0x1112131415161718, .bytes = 0, .digest = file_digest({})},
          {.file = 9, .bytes = 0, .whole = false},
          {.file = 11, .bytes = 33, .digest = file_digest(contents.subspan(100))}};
}

Payload payload_of(const std::vector<BundleRow>& rows, ConstBytes contents) {
  Payload payload{.table_bytes = bundle_table_bytes(rows.size())};
  payload.bytes.resize(payload.table_bytes);
  payload.table_digest = encode_bundle_table(rows, payload.bytes);
  payload.bytes.insert(payload.bytes.end(), contents.begin(), contents.end());
  return payload;
}

Payload good_payload() {
  const auto contents = test::content(133);
  return payload_of(four_rows(contents), contents);
}

void expect_refused(const Payload& payload, Code code, const std::string& words) {
  const auto bundle = decode_bundle(payload.bytes, payload.table_digest);
  ASSERT_FALSE(bundle) << "should say: " << words;
  EXPECT_EQ(bundle.error().code, code) << bundle.error().text;
  EXPECT_NE(bundle.error().text.find(words), std::string::npos) << bundle.error().text << "\nshould say: " << words;
}

/// Changes the table and gives it its right digest: what a peer with bad intent could send.
template <class T>
void expect_refused_with(std::size_t at, T value, const std::string& words) {
  Payload payload = good_payload();
  store(payload.bytes.data() + at, value);
  payload.table_digest = digest_of(ConstBytes(payload.bytes).first(payload.table_bytes));
  expect_refused(payload, Code::protocol, words);
}

TEST(Bundle, TableIsAsItsGoldenFile) {
  const auto contents = test::content(133);
  const auto rows = four_rows(contents);
  std::vector<std::byte> table(bundle_table_bytes(rows.size()));
  const Digest digest = encode_bundle_table(rows, table);
  test::expect_golden("bundle_table", table);

  auto payload = test::read_golden("bundle_table");
  ASSERT_EQ(payload.size(), 8U + 4 * 32);
  EXPECT_EQ(digest, digest_of(payload));
  payload.insert(payload.end(), contents.begin(), contents.end());
  const auto bundle = decode_bundle(payload, digest);
  ASSERT_TRUE(bundle) << bundle.error().text;
  EXPECT_EQ(bundle->rows, rows);
}

TEST(Bundle, ContentsPointIntoThePayload) {
  const Payload payload = good_payload();
  const auto bundle = decode_bundle(payload.bytes, payload.table_digest);
  ASSERT_TRUE(bundle) << bundle.error().text;
  ASSERT_EQ(bundle->contents.size(), 4U);
  EXPECT_EQ(bundle->contents[0].data(), payload.bytes.data() + payload.table_bytes);
  EXPECT_EQ(bundle->contents[0].size(), 100U);
  EXPECT_TRUE(bundle->contents[1].empty());
  EXPECT_TRUE(bundle->contents[2].empty());
  EXPECT_EQ(bundle->contents[3].data(), payload.bytes.data() + payload.table_bytes + 100);
  for (std::size_t i : {0U, 1U, 3U}) EXPECT_EQ(file_digest(bundle->contents[i]), bundle->rows[i].digest);
}

TEST(Bundle, TheLargestFileFits) {
  const auto contents = test::content(protocol::bundled_bytes_max);
  const auto payload =
      payload_of({{.file = 1, .bytes = protocol::bundled_bytes_max, .digest = file_digest(contents)}}, contents);
  EXPECT_TRUE(decode_bundle(payload.bytes, payload.table_digest));
}

TEST(Bundle, AnyFlippedByteOfTheTableIsRefused) {
  const Payload good = good_payload();
  for (std::size_t at = 0; at < good.table_bytes; ++at) {
    Payload bad = good;
    bad.bytes[at] ^= std::byte{0x10};
    EXPECT_FALSE(decode_bundle(bad.bytes, bad.table_digest)) << at;
  }
  Payload bad = good;
  bad.bytes[bundle_head_bytes + 20] ^= std::byte{1};
  expect_refused(bad, Code::corrupt, "its digest does not match");
}

TEST(Bundle, AnyOtherLengthIsRefused) {
  const Payload good = good_payload();
  for (std::size_t bytes = 0; bytes < good.bytes.size(); ++bytes) {
    EXPECT_FALSE(decode_bundle(ConstBytes(good.bytes).first(bytes), good.table_digest)) << bytes;
  }
  Payload longer = good;
  longer.bytes.push_back(std::byte{0});
  expect_refused(longer, Code::protocol, "1 bytes that no file owns");
  expect_refused({.bytes = {}}, Code::protocol, "without a table");
}

TEST(Bundle, RefusesCountsThatDoNotFit) {
  for (const std::uint32_t count : {0U, 100U, 0x08000000U, 0xffffffffU}) {
    expect_refused_with(0, count, "that says it has " + std::to_string(count) + " files");
  }
}

TEST(Bundle, RefusesRowsThatNoBundleHas) {
  constexpr std::size_t row = bundle_head_bytes;
  constexpr std::size_t failed_row = bundle_head_bytes + 2 * bundle_row_bytes;
  expect_refused_with(4, std::uint32_t{1}, "reserved bytes");
  expect_refused_with(row, protocol::bundle_file, "a file number that no file has");
  expect_refused_with(row + 8, std::uint32_t{134}, "a file that reaches past its end (row 0)");
  expect_refused_with(row + 8, std::uint32_t{protocol::bundled_bytes_max + 1}, "a file too large for a bundle");
  expect_refused_with(row + 8, ~std::uint32_t{0}, "a file too large for a bundle");
  expect_refused_with(row + 8, std::uint32_t{99}, "1 bytes that no file owns");
  expect_refused_with(row + 12, std::uint32_t{2}, "a state that is not known");
  expect_refused_with(row + 12, std::uint32_t{1}, "content of a file that could not be read (row 0)");
  expect_refused_with(failed_row + 8, std::uint32_t{1}, "content of a file that could not be read (row 2)");
  expect_refused_with(failed_row + 31, std::byte{1}, "content of a file that could not be read (row 2)");
}

TEST(BundleDeathTest, TheTableNeedsExactlyItsRoom) {
  std::vector<std::byte> room(bundle_table_bytes(1) - 1);
  const std::vector<BundleRow> rows(1);
  EXPECT_DEATH((void)encode_bundle_table(rows, room), "exactly its room");
}

}  // namespace
}  // namespace longhaul::chunk
