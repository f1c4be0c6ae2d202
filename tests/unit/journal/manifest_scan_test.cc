// Manifests of version 2: what a scan writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "golden/golden.h"
#include "journal/manifest.h"
#include "journal/manifest_roots.h"
#include "journal/manifest_stream.h"
#include "places.h"

namespace longhaul::journal {
namespace {

class CountingRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = std::byte(next_++);
  }

 private:
  unsigned next_ = 0;
};

security::Identity known_identity() {
  CountingRandom random;
  return security::Identity::make(random);
}

ManifestRecord file_of(const std::string& path, std::uint64_t size, std::int64_t mtime_ns, bool sha256) {
  ManifestRecord record{.path = path, .size = size, .mtime_ns = mtime_ns, .root = digest_of(bytes_of(path))};
  if (sha256) record.sha256 = security::sha256_of({bytes_of(path)});
  return record;
}

std::vector<ManifestRecord> files_of(bool sha256) {
  return {file_of("a", 1, -5, sha256), file_of("b/c", 70000, 1234567890123456789, sha256),
          file_of("b\xff", 0, 0, sha256)};
}

// tests/manifest.py: roots() of these three, and Ed25519 of the key of the seed 0..31 over what it says is signed.
constexpr const char* known_root = "b9fea7165c085bb638ef278acfb102f1";
constexpr const char* known_sha256_root = "d5e064bc14990f8195af38de72682f13322e9ed33396d354e432b6c7aa8cca0f";
constexpr const char* known_signature =
    "937514fd1c11dc360b6bad3982e6b1023dc7a08942644dc7b63b0fcfe2fa7eb7"
    "79f8fb95cbd283331592d09586b0069e8be8aefe86a45f2c7faa66bccd230809";

ManifestSeal seal_of(const std::vector<ManifestRecord>& files, bool sha256, bool signed_too = false) {
  ManifestRoots roots;
  for (const auto& file : files) roots.add(file);
  ManifestSeal seal = roots.finish(sha256);
  if (signed_too) sign(seal, known_identity());
  return seal;
}

/// Written as it is, whether it makes sense or not.
std::vector<std::byte> encoded(const std::vector<ManifestRecord>& files, const std::vector<ManifestSeal>& seals,
                               std::uint32_t version = manifest_of_scans) {
  std::vector<std::byte> bytes;
  encode_manifest_header(bytes, 0, version);
  for (const auto& file : files) encode_manifest_record(file, bytes);
  for (const auto& seal : seals) encode_manifest_seal(seal, bytes);
  encode_manifest_end(files.size(), bytes);
  return bytes;
}

template <class Place>
class ScanManifest : public JournalTest<Place> {
 protected:
  struct Found {
    std::vector<ManifestRecord> files;
    ManifestSeal seal;
  };
  Result<Found> read(const std::string& name = "m") {
    auto reader = RecordReader::open(*this->disk_, this->root_, name, ManifestKind::sorted, 300);
    if (!reader) return std::unexpected(reader.error());
    Found found;
    for (;;) {
      auto record = (*reader)->next();
      if (!record) return std::unexpected(record.error());
      if (!record->has_value()) break;
      found.files.push_back(std::move(**record));
    }
    found.seal = (*reader)->seal();
    return found;
  }
  Result<Found> read(ConstBytes bytes) {
    this->write_all(this->root_, "m", bytes);
    return read();
  }
};
TYPED_TEST_SUITE(ScanManifest, Places);

TEST(ManifestRoots, AreThoseOfTheDefinition) {
  const auto files = files_of(true);
  const ManifestSeal seal = seal_of(files, true, true);
  EXPECT_EQ(seal.root.hex(), known_root);
  EXPECT_EQ(to_hex(*seal.sha256_root), known_sha256_root);
  EXPECT_EQ(to_hex(seal.signature->signature), known_signature);
  EXPECT_TRUE(check_signature(seal));
  EXPECT_EQ(seal_of(files_of(false), false).root.hex(), known_root) << "SHA-256 is no part of it";
  const ManifestSeal none = seal_of({}, true);
  EXPECT_EQ(none.root.hex(), "2c0a8a99dc147d5445c3b49d035665b2");
  EXPECT_EQ(to_hex(*none.sha256_root), "3f72f07f3c8c917b3d2982efd2b04c5640a04d025103a7240d3cb1ae145f1314");
}

TEST(ManifestRoots, StandInAFileOfThisLayout) {
  test::expect_golden("manifest_signed", encoded(files_of(true), {seal_of(files_of(true), true, true)}));
}

TEST(ManifestRoots, EveryWordCounts) {
  const auto files = files_of(true);
  const ManifestSeal seal = seal_of(files, true);
  const auto differs = [&](const std::vector<ManifestRecord>& others, bool in_tree, const char* what) {
    const ManifestSeal other = seal_of(others, true);
    EXPECT_EQ(other.root != seal.root, in_tree) << what;
    EXPECT_NE(other.sha256_root, seal.sha256_root) << what;
  };
  auto changed = files;
  changed[0].path = "A";
  differs(changed, true, "path");
  changed = files;
  changed[1].size += 1;
  differs(changed, true, "size");
  changed = files;
  changed[1].root.bytes[15] ^= std::byte{1};
  differs(changed, true, "digest");
  changed = files;
  changed[2].mtime_ns += 1;
  differs(changed, false, "time");
  changed = files;
  (*changed[2].sha256)[0] ^= std::byte{1};
  differs(changed, false, "SHA-256");
  changed.pop_back();
  differs(changed, true, "number of files");
}

TYPED_TEST(ScanManifest, GivesBackWhatWasWritten) {
  for (const bool sha256 : {false, true}) {
    for (const bool signed_too : {false, true}) {
      if (signed_too && !sha256) continue;
      const auto files = files_of(sha256);
      const ManifestSeal seal = seal_of(files, sha256, signed_too);
      auto file = *this->disk_->open_file(this->root_, "m", disk::Open::create, false);
      auto writer = RecordWriter::of_scan(*this->disk_, file, 100);
      for (const auto& record : files) ASSERT_TRUE(writer->add(record));
      ASSERT_TRUE(writer->seal(seal));
      ASSERT_TRUE(writer->finish(true));
      EXPECT_EQ(this->read_all(this->root_, "m"), encoded(files, {seal}));
      const auto found = this->read();
      ASSERT_TRUE(found) << found.error().text;
      EXPECT_EQ(found->files, files);
      EXPECT_EQ(found->seal, seal);
      ASSERT_TRUE(this->disk_->unlink(this->root_, "m"));
    }
  }
}

TYPED_TEST(ScanManifest, MayBeOfNoFile) {
  for (const bool sha256 : {false, true}) {
    const auto found = this->read(encoded({}, {seal_of({}, sha256, sha256)}));
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_TRUE(found->files.empty());
    EXPECT_EQ(found->seal.sha256_root.has_value(), sha256);
    EXPECT_TRUE(check_signature(found->seal));
  }
}

TYPED_TEST(ScanManifest, EveryDamageIsAnError) {
  for (const bool sha256 : {false, true}) {
    const auto whole = encoded(files_of(sha256), {seal_of(files_of(sha256), sha256, sha256)});
    for (std::size_t at = 0; at < whole.size(); ++at) {
      if (at >= 12 && at < 16) continue;  // the header's reserved bytes
      auto damaged = whole;
      damaged[at] ^= std::byte{0x10};
      EXPECT_FALSE(this->read(damaged)) << "byte " << at;
      damaged = whole;
      damaged.resize(at);
      const auto found = this->read(damaged);
      ASSERT_FALSE(found) << "cut at " << at;
      EXPECT_EQ(found.error().code, Code::corrupt);
    }
    auto longer = whole;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(this->read(longer));
  }
}

/// Somebody who can count has made every check right again.
TYPED_TEST(ScanManifest, WhatDoesNotComeToTheRootsIsRefused) {
  const auto says = [&](const std::vector<std::byte>& bytes, const char* words) {
    const auto found = this->read(bytes);
    ASSERT_FALSE(found) << words;
    EXPECT_EQ(found.error().code, Code::corrupt);
    EXPECT_NE(found.error().text.find(words), std::string::npos) << found.error().text;
  };
  const auto files = files_of(true);
  const ManifestSeal seal = seal_of(files, true, true);
  auto forged = files;
  (*forged[1].sha256)[7] ^= std::byte{1};
  says(encoded(forged, {seal}), "SHA-256 root");
  forged = files;
  forged[1].mtime_ns += 1;
  says(encoded(forged, {seal}), "SHA-256 root");
  forged = files;
  forged[1].root.bytes[0] ^= std::byte{1};
  says(encoded(forged, {seal}), "the root");
  forged.pop_back();
  says(encoded(forged, {seal}), "missing");
  says(encoded(files, {}), "seal is missing");
  says(encoded(files, {seal, seal}), "two seals");
  says(encoded(files_of(false), {seal}), "none");
  says(encoded(files, {seal_of(files_of(false), false)}), "none");
  auto mixed = files;
  mixed[2].sha256.reset();
  says(encoded(mixed, {seal}), "none");
  says(encoded({files[1], files[0]}, {seal_of({files[1], files[0]}, true)}), "order");
  says(encoded({files[0], files[0]}, {seal_of({files[0], files[0]}, true)}), "order");
}

TYPED_TEST(ScanManifest, PathsThatLeadOutAreRefused) {
  for (const std::string path : {"..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "a/."}) {
    const std::vector<ManifestRecord> files = {file_of(path, 1, 1, false)};
    const auto found = this->read(encoded(files, {seal_of(files, false)}));
    ASSERT_FALSE(found) << path;
    EXPECT_NE(found.error().text.find("leads out"), std::string::npos) << found.error().text;
  }
  const std::vector<ManifestRecord> files = {file_of(std::string("a\0b", 3), 1, 1, false)};
  EXPECT_FALSE(this->read(encoded(files, {seal_of(files, false)})));
  const std::vector<ManifestRecord> odd = {file_of("..a", 1, 1, false), file_of(".a/...", 1, 1, false)};
  EXPECT_TRUE(this->read(encoded(odd, {seal_of(odd, false)})));
}

/// A record that says it has more bytes than any may have is not waited for.
TYPED_TEST(ScanManifest, OversizedRecordsAreRefused) {
  for (const std::size_t at : {manifest_header_bytes, manifest_header_bytes + 8}) {
    auto bytes = encoded(files_of(true), {seal_of(files_of(true), true)});
    store(bytes.data() + at, std::uint32_t{0xfffffff0});
    const auto found = this->read(bytes);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().text.find("does not match its check"), std::string::npos) << found.error().text;
  }
}

TYPED_TEST(ScanManifest, ASignatureIsOfItsKeyAndItsRoot) {
  const auto files = files_of(true);
  ManifestSeal seal = seal_of(files, true, true);
  EXPECT_EQ(security::signer_of(*this->read(encoded(files, {seal}))->seal.signature), known_identity().fingerprint());
  // Moved to another manifest: that reads, for its roots are right, and the signature does not hold.
  auto others = files;
  others[0].size = 2;
  ManifestSeal moved = seal_of(others, true);
  moved.signature = seal.signature;
  const auto found = this->read(encoded(others, {moved}));
  ASSERT_TRUE(found) << found.error().text;
  const auto checked = check_signature(found->seal);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::corrupt);
  seal.signature->signature[3] ^= std::byte{1};
  EXPECT_FALSE(check_signature(this->read(encoded(files, {seal}))->seal));
  seal.signature.reset();
  EXPECT_TRUE(check_signature(this->read(encoded(files, {seal}))->seal)) << "nobody has signed it";
}

TYPED_TEST(ScanManifest, OfTransfersHasNoneOfThis) {
  const auto plain = files_of(false);
  const auto found = this->read(encoded(plain, {}, manifest_of_transfers));
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->files, plain);
  EXPECT_EQ(found->seal, seal_of(plain, false)) << "its root is counted all the same";
  EXPECT_FALSE(this->read(encoded(files_of(true), {}, manifest_of_transfers)));
  EXPECT_FALSE(this->read(encoded(plain, {seal_of(plain, false)}, manifest_of_transfers)));
  EXPECT_EQ(this->read(encoded(plain, {seal_of(plain, false)}, 3)).error().code, Code::unsupported);
  // A log of version 2 there is not.
  this->write_all(this->root_, "manifest.1.log", encoded(plain, {seal_of(plain, false)}));
  EXPECT_FALSE(ManifestLog::open(*this->disk_, this->root_, "manifest.1.log"));
}

/// Somebody has put one in the place of a target's manifest: the next transfer makes it one of version 1 again.
TYPED_TEST(ScanManifest, IsMergedWithWhatArrives) {
  this->write_all(this->root_, "manifest", encoded(files_of(true), {seal_of(files_of(true), true, true)}));
  {
    auto log = ManifestLog::open(*this->disk_, this->root_, "manifest.1.log");
    ASSERT_TRUE(log) << log.error().text;
    std::vector<std::byte> bytes;
    encode_manifest_record(file_of("new", 7, 7, false), bytes);
    ASSERT_TRUE(disk::write_now(*this->disk_, (*log)->file(), (*log)->end_offset(), bytes));
  }
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  auto expected = files_of(false);
  expected.push_back(file_of("new", 7, 7, false));
  const auto found = this->read("manifest");
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->files, expected);
}

}  // namespace
}  // namespace longhaul::journal
