#include "journal/manifest.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include "journal/manifest_stream.h"
#include "places.h"

namespace longhaul::journal {
namespace {

ManifestRecord record_of(const std::string& path, std::uint64_t version) {
  return {path, version, static_cast<std::int64_t>(version) - 5, digest_of(bytes_of(path + std::to_string(version))),
          false};
}

template <class Place>
class Manifest : public JournalTest<Place> {
 protected:
  void append(const std::vector<ManifestRecord>& records, const std::string& name = "manifest.1.log") {
    auto log = ManifestLog::open(*this->disk_, this->root_, name);
    ASSERT_TRUE(log) << log.error().text;
    std::vector<std::byte> bytes;
    for (const auto& record : records) encode_manifest_record(record, bytes);
    ASSERT_TRUE(disk::write_now(*this->disk_, (*log)->file(), (*log)->end_offset(), bytes));
    (*log)->written(bytes.size());
    EXPECT_LE((*log)->end_offset(), this->disk_->stat((*log)->file())->size);
  }
  Result<std::vector<ManifestRecord>> read(const std::string& name, bool is_log) {
    std::vector<ManifestRecord> records;
    auto done = read_manifest(*this->disk_, this->root_, name, is_log, [&](const ManifestRecord& record) {
      records.push_back(record);
      return true;
    });
    if (!done) return std::unexpected(done.error());
    return records;
  }
};
TYPED_TEST_SUITE(Manifest, Places);

TYPED_TEST(Manifest, LogGivesBackWhatWasAppended) {
  const std::vector<ManifestRecord> records = {record_of("b", 1), record_of("a", 2),
                                               record_of(std::string(9000, 'x'), 3)};
  this->append({records[0]});
  this->append({records[1], records[2]});
  EXPECT_EQ(this->read("manifest.1.log", true), records);
  EXPECT_EQ(this->read("missing", true).error().code, Code::not_found);
}

TYPED_TEST(Manifest, WhatIsGoneIsForgottenAndMayComeBack) {
  const auto gone = [](const std::string& path) {
    ManifestRecord record;
    record.path = path;
    record.gone = true;
    return record;
  };
  this->append({record_of("a", 1), record_of("b", 1), record_of("c", 1)});
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  this->append({gone("b"), record_of("d", 2), gone("c"), gone("never there"), record_of("c", 3), gone("d")},
               "manifest.2.log");
  EXPECT_EQ(this->read("manifest.2.log", true)->front(), gone("b"));
  // So little memory that there are several runs.
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log", 1));
  EXPECT_EQ(this->read("manifest", false), (std::vector<ManifestRecord>{record_of("a", 1), record_of("c", 3)}));
  this->append({gone("a"), gone("c")}, "manifest.3.log");
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.3.log"));
  EXPECT_EQ(this->read("manifest", false), std::vector<ManifestRecord>());
}

/// Files that have landed may fill the target: each can be published all the same.
TYPED_TEST(Manifest, ALogHasRoomForWhatIsWrittenNext) {
  constexpr std::uint64_t a_group = 100'000;
  auto log = *ManifestLog::open(*this->disk_, this->root_, "manifest.1.log");
  std::vector<ManifestRecord> records;
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_GE(this->disk_->stat(log->file())->size, log->end_offset() + a_group) << i;
    records.push_back(record_of(std::string(4000, 'a') + std::to_string(i), i));
    std::vector<std::byte> bytes;
    encode_manifest_record(records.back(), bytes);
    log->keep_room(*this->disk_);
    ASSERT_TRUE(disk::write_now(*this->disk_, log->file(), log->end_offset(), bytes));
    log->written(bytes.size());
  }
  EXPECT_EQ(this->read("manifest.1.log", true), records);
  const std::uint64_t end = log->end_offset();
  log.reset();
  EXPECT_EQ((*ManifestLog::open(*this->disk_, this->root_, "manifest.1.log"))->end_offset(), end);
}

TYPED_TEST(Manifest, TornTailOfALogIsCut) {
  this->append({record_of("whole", 1)});
  std::vector<std::byte> record;
  encode_manifest_record(record_of("whole", 1), record);
  auto whole = this->read_all(this->root_, "manifest.1.log");
  whole.resize(manifest_header_bytes + record.size());
  record.clear();
  encode_manifest_record(record_of("torn", 2), record);
  for (const std::size_t kept : {std::size_t{3}, record.size() / 2, record.size()}) {
    auto bytes = whole;
    bytes.insert(bytes.end(), record.begin(), record.begin() + static_cast<std::ptrdiff_t>(kept));
    if (kept == record.size()) bytes.back() ^= std::byte{1};
    bytes.resize(bytes.size() + 100);
    this->write_all(this->root_, "manifest.1.log", bytes);
    EXPECT_EQ(this->read("manifest.1.log", true), std::vector{record_of("whole", 1)});
    this->append({record_of("next", 3)});
    EXPECT_EQ(this->read("manifest.1.log", true), (std::vector{record_of("whole", 1), record_of("next", 3)}));
  }
}

TYPED_TEST(Manifest, ALogWhoseHeaderWasNeverSyncedBeginsAnew) {
  this->write_all(this->root_, "manifest.1.log", std::vector<std::byte>(500));
  this->append({record_of("a", 1)});
  EXPECT_EQ(this->read("manifest.1.log", true), std::vector{record_of("a", 1)});
  this->write_all(this->root_, "manifest.2.log", bytes_of("this is no manifest at all"));
  EXPECT_EQ(ManifestLog::open(*this->disk_, this->root_, "manifest.2.log").error().code, Code::corrupt);
}

TYPED_TEST(Manifest, MergeSortsAndTheNewerRecordWins) {
  this->append({record_of("b", 1), record_of("c", 1), record_of("a\xff", 1), record_of("a", 1)});
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  EXPECT_FALSE(this->exists(this->root_, "manifest.1.log"));
  this->append({record_of("d", 2), record_of("b", 2), record_of("b", 3)}, "manifest.2.log");
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log"));
  EXPECT_EQ(this->read("manifest", false), (std::vector{record_of("a", 1), record_of("a\xff", 1), record_of("b", 3),
                                                        record_of("c", 1), record_of("d", 2)}));
  EXPECT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log"));
}

/// What was published as a whole takes the place of all that was there.
TYPED_TEST(Manifest, BeneathATreeOnlyRecordsOfWhatStandsThereStay) {
  const auto of_file = [&](const char* path, std::uint64_t size, std::int64_t mtime_ns, const char* content) {
    return ManifestRecord{.path = path, .size = size, .mtime_ns = mtime_ns, .root = digest_of(bytes_of(content))};
  };
  ASSERT_TRUE(this->disk_->make_dir(this->root_, "t", 0755));
  const auto dir = *this->disk_->open_dir(this->root_, "t");
  for (const auto& [name, bytes] : {std::pair{"kept", 3}, {"new", 4}, {"again", 5}}) {
    this->write_all(dir, name, std::vector<std::byte>(static_cast<std::size_t>(bytes)));
    const auto file = *this->disk_->open_file(dir, name, disk::Open::read, false);
    ASSERT_TRUE(this->disk_->set_mtime(*file, 7'000'000'000));
  }
  constexpr std::int64_t then = 7'000'000'000;
  this->append({of_file("t", 1, then, "a file once"), of_file("t-beside", 1, then, "beside"),
                of_file("t/gone", 1, then, "gone"), of_file("t/kept", 3, then, "kept"),
                of_file("t/new", 9, then, "older"), of_file("t/again", 5, then, "as it was")});
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  const ManifestRecord tree{.path = "t/", .root = {}, .is_tree = true};
  const std::vector<ManifestRecord> log = {tree, of_file("t/landed and left out again", 4, then, "?"),
                                           of_file("t/new", 4, then, "new"),
                                           // Landed in one run, and was there already by the next.
                                           of_file("t/again", 5, 9'000'000'000, "another")};
  for (const std::size_t memory : {std::size_t{1} << 20U, std::size_t{1}}) {  // the second: a run for each record
    this->append(log, "manifest.2.log");
    EXPECT_EQ(this->read("manifest.2.log", true), log);
    ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log", memory));
    EXPECT_EQ(this->read("manifest", false),
              (std::vector{of_file("t", 1, then, "a file once"), of_file("t-beside", 1, then, "beside"),
                           of_file("t/again", 5, then, "as it was"), of_file("t/kept", 3, then, "kept"),
                           of_file("t/new", 4, then, "new")}));
  }
}

TYPED_TEST(Manifest, AnEmptyLogMakesAnEmptyManifest) {
  this->append({});
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  EXPECT_EQ(this->read("manifest", false), std::vector<ManifestRecord>{});
}

TYPED_TEST(Manifest, ManyRunsInLittleMemory) {
  std::map<std::string, ManifestRecord> expected;
  std::vector<ManifestRecord> log;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string path = "dir" + std::to_string(i * 7919 % 613) + "/f" + std::string(i % 40, 'p');
    log.push_back(record_of(path, i));
    expected[path] = log.back();
  }
  this->append({log.begin(), log.begin() + 1000}, "manifest.1.log");
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log", 4000));
  // Runs of a merge that was killed are not taken for ours.
  this->write_all(this->root_, "manifest.2.log.run0", bytes_of("left over"));
  this->append({log.begin() + 1000, log.end()}, "manifest.2.log");
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log", 4000));
  std::vector<ManifestRecord> sorted;
  for (const auto& [path, record] : expected) sorted.push_back(record);
  EXPECT_EQ(this->read("manifest", false), sorted);
  auto names = this->names_in(this->root_);
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"manifest", "manifest.lock"}));
}

TYPED_TEST(Manifest, MergeIsBusyWhileAnotherMerges) {
  this->append({record_of("a", 1)});
  auto lock = this->disk_->open_file(this->root_, "manifest.lock", disk::Open::create_or_open, false);
  ASSERT_TRUE(*this->disk_->try_lock(**lock));
  EXPECT_EQ(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log").error().code, Code::busy);
  lock->reset();
  EXPECT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
}

TYPED_TEST(Manifest, EveryDamageOfASortedManifestIsAnError) {
  this->append({record_of("a", 1), record_of("b", 1)});
  ASSERT_TRUE(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.1.log"));
  const auto whole = this->read_all(this->root_, "manifest");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at >= 12 && at < 16) continue;  // the header's reserved bytes
    auto damaged = whole;
    damaged[at] ^= std::byte{0x10};
    this->write_all(this->root_, "manifest", damaged);
    EXPECT_FALSE(this->read("manifest", false)) << "byte " << at;
    damaged = whole;
    damaged.resize(at);
    this->write_all(this->root_, "manifest", damaged);
    auto read = this->read("manifest", false);
    ASSERT_FALSE(read) << "cut at " << at;
    EXPECT_EQ(read.error().code, Code::corrupt);
  }
  this->append({record_of("c", 2)}, "manifest.2.log");
  EXPECT_EQ(merge_manifest(*this->disk_, this->root_, this->root_, "manifest.2.log").error().code, Code::corrupt);
  EXPECT_EQ(this->read("manifest.2.log", true), std::vector{record_of("c", 2)});
}

TYPED_TEST(Manifest, DisorderAndMissingRecordsAreDamage) {
  const auto write = [&](const std::vector<ManifestRecord>& records, std::uint64_t counted) {
    std::vector<std::byte> bytes;
    encode_manifest_header(bytes);
    for (const auto& record : records) encode_manifest_record(record, bytes);
    encode_manifest_end(counted, bytes);
    this->write_all(this->root_, "manifest", bytes);
  };
  write({record_of("a", 1), record_of("b", 1)}, 2);
  EXPECT_TRUE(this->read("manifest", false));
  write({record_of("b", 1), record_of("a", 1)}, 2);
  EXPECT_FALSE(this->read("manifest", false));
  write({record_of("a", 1), record_of("a", 2)}, 2);
  EXPECT_FALSE(this->read("manifest", false));
  write({record_of("a", 1)}, 2);
  EXPECT_FALSE(this->read("manifest", false));
}

/// Power goes, or the process, at any call of the merge: the old manifest or the new one is there, and no record is
/// lost.
TEST(SimManifest, ACrashAnywhereInAMergeLosesNothing) {
  const std::vector<ManifestRecord> wanted = {record_of("a", 1), record_of("b", 2), record_of("c", 2)};
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    sim::SimClock clock;
    sim::Trace trace(clock);
    sim::SimFileSystem fs(clock, trace, seed);
    fs.put_dir("target");
    auto disk = fs.make_disk("test");
    auto root = *disk->open_root("target");
    const auto publish = [&](const std::string& name, const std::vector<ManifestRecord>& records) {
      auto log = *ManifestLog::open(*disk, root, name);
      std::vector<std::byte> bytes;
      for (const auto& record : records) encode_manifest_record(record, bytes);
      ASSERT_TRUE(disk::write_now(*disk, log->file(), log->end_offset(), bytes));
      ASSERT_TRUE(disk::sync_now(*disk, log->file(), true));
    };
    publish("manifest.1.log", {wanted[0], record_of("b", 1)});
    ASSERT_TRUE(merge_manifest(*disk, root, root, "manifest.1.log"));
    publish("manifest.2.log", {wanted[2], wanted[1]});
    std::uint64_t left = seed % 50;
    fs.fault = [&](const sim::FaultPoint&) { return left == 0 ? EIO : (--left, 0); };
    (void)merge_manifest(*disk, root, root, "manifest.2.log");
    fs.fault = nullptr;
    if (seed % 3 != 0) fs.crash();
    auto merged = merge_manifest(*disk, root, root, "manifest.2.log");
    ASSERT_TRUE(merged) << merged.error().text << " seed " << seed;
    std::vector<ManifestRecord> found;
    ASSERT_TRUE(read_manifest(*disk, root, "manifest", false,
                              [&](const ManifestRecord& record) {
                                found.push_back(record);
                                return true;
                              }))
        << "seed " << seed;
    ASSERT_EQ(found, wanted) << "seed " << seed;
  }
}

/// Two receivers were killed before the end of their transfers; a file changed in between. What was published last
/// counts, in whichever order the directory lists their logs.
TEST(Manifest, OfTwoLeftOverLogsTheOneBegunLaterIsNewer) {
  for (const bool names_turned : {false, true}) {
    sim::SimClock clock;
    sim::Trace trace(clock);
    sim::SimFileSystem fs(clock, trace, 1);
    fs.put_dir("target");
    auto disk = fs.make_disk("test");
    auto root = *disk->open_root("target");
    std::vector<std::string> names{"manifest.a.log", "manifest.b.log"};
    if (names_turned) std::swap(names[0], names[1]);
    std::int64_t mtime_ns = 1;
    for (const auto& name : names) {
      auto log = *ManifestLog::open(*disk, root, name);
      std::vector<std::byte> bytes;
      encode_manifest_record({"path", 7, mtime_ns++, {}}, bytes);
      ASSERT_TRUE(disk::write_now(*disk, log->file(), log->end_offset(), bytes));
    }
    ASSERT_TRUE(merge_left_over_logs(*disk, root, root));
    std::int64_t found = 0;
    ASSERT_TRUE(read_manifest(*disk, root, "manifest", false, [&](const ManifestRecord& record) {
      found = record.mtime_ns;
      return true;
    }));
    EXPECT_EQ(found, 2);
    EXPECT_TRUE(list_logs(*disk, root)->empty());
  }
}

}  // namespace
}  // namespace longhaul::journal
