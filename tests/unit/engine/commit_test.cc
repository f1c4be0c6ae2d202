#include "engine/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>

#include "chunk/digest_tree.h"
#include "engine/landing_ops.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::node_bytes;

/// A chunk whose frames have all been claimed with the digests of `content`.
std::shared_ptr<InChunk> chunk_of(const std::shared_ptr<InFile>& file, std::uint64_t index, ConstBytes content) {
  const auto frames = static_cast<unsigned>((content.size() + protocol::leaf_bytes - 1) / protocol::leaf_bytes);
  auto chunk = std::make_shared<InChunk>(file, index, frames);
  for (unsigned frame = 0; frame < frames; ++frame) {
    const std::size_t begin = frame * protocol::leaf_bytes;
    const auto leaf = content.subspan(begin, std::min<std::size_t>(protocol::leaf_bytes, content.size() - begin));
    const Digest digest = digest_of(leaf);
    EXPECT_EQ(chunk->claims.claim(frame, {&digest, 1}), FrameClaims::Answer::won);
    chunk->claims.done(frame);
  }
  return chunk;
}

std::vector<std::byte> content_of(std::uint64_t bytes, std::uint64_t seed) {
  std::vector<std::byte> content(bytes);
  sim::SimRandom(seed).fill(content);
  return content;
}

TEST(NodeDigests, AreThoseOfTheContent) {
  for (const std::uint64_t bytes : {1UL, protocol::leaf_bytes, protocol::leaf_bytes + 1, node_bytes, node_bytes + 9}) {
    const auto content = content_of(bytes, bytes);
    chunk::RootDigest root;
    for (const Digest& node : node_digests(*chunk_of(nullptr, 0, content))) root.add_node(node);
    EXPECT_EQ(root.finish(bytes), chunk::file_digest(content)) << bytes;
  }
}

TEST(ChunkContentBytes, TheLastChunkIsShort) {
  EXPECT_EQ(chunk_content_bytes(100, 40, 0), 40U);
  EXPECT_EQ(chunk_content_bytes(100, 40, 2), 20U);
  EXPECT_EQ(chunk_content_bytes(100, 40, 3), 0U);
  EXPECT_EQ(chunk_content_bytes(80, 40, 1), 40U);
  EXPECT_EQ(chunk_content_bytes(0, 40, 0), 0U);
}

class CommitTest : public ::testing::Test, protected CommitEvents {
 protected:
  void SetUp() override {
    manifest_ = *journal::ManifestLog::open(*place_.disk, place_.zone->directory(), "manifest.test.log");
    make_commit(false);
    place_.trace.listener = [this](Time, std::string_view what, std::uint64_t, std::uint64_t) {
      log_.emplace_back(what);
    };
  }
  void make_commit(bool together) {
    place_.fs.syncs_all = together_ = together;
    commit_ = std::make_unique<Commit>(*place_.data_disk, *place_.zone, *manifest_, static_cast<CommitEvents&>(*this),
                                       together_);
  }
  std::shared_ptr<InFile> whole_file(const std::string& name, ConstBytes content) {
    auto file = std::make_shared<InFile>();
    file->entry.path = file->name = name;
    file->entry.size = content.size();
    file->entry.mtime_ns = 1234;
    file->parent = place_.root;
    file->zone = *place_.zone->zone_for(place_.root, "");
    EXPECT_TRUE(landing_data(*place_.disk, *place_.zone, *file));
    EXPECT_TRUE(disk::write_now(*place_.disk, *file->landing_file.data, 0, content));
    EXPECT_TRUE(set_metadata(*place_.disk, *file->landing_file.data, *file));
    return file;
  }
  std::shared_ptr<InFile> large_file(const std::string& name, std::uint64_t size) {
    auto file = std::make_shared<InFile>();
    file->entry.path = file->name = name;
    file->entry.size = size;
    file->entry.mtime_ns = 1234;
    file->entry.identity = {1, 2, 3};
    file->parent = place_.root;
    file->zone = *place_.zone->zone_for(place_.root, "");
    file->landing = Landing::journalled;
    file->id = next_id_++;
    file->chunk_bytes = node_bytes;
    file->landing_file = *place_.zone->begin_large(file->entry, place_.root, node_bytes, false, place_.random);
    files_.add(file);  // takes file and chunks apart at the end
    return file;
  }
  void add_whole(const std::shared_ptr<InFile>& file, ConstBytes content) {
    commit_->add_whole(file, chunk::file_digest(content), nullptr, place_.clock.now());
  }
  /// Small files "0", "1", ...
  void add_whole_files(int count, ConstBytes content) {
    for (int i = 0; i < count; ++i) add_whole(whole_file(std::to_string(i), content), content);
  }
  void add_chunk(const std::shared_ptr<InFile>& file, std::uint64_t index, ConstBytes content) {
    const auto part = content.subspan(index * node_bytes, std::min(node_bytes, content.size() - index * node_bytes));
    EXPECT_TRUE(disk::write_now(*place_.disk, *file->landing_file.data, index * node_bytes, part));
    auto chunk = chunk_of(file, index, part);
    file->chunks[index] = chunk;
    commit_->add_chunk(chunk, place_.clock.now());
  }
  void run() {
    for (int i = 0; i < 100; ++i) {
      commit_->step(place_.clock.now(), true);
      while (disk::Operation* done = place_.data_disk->wait()) commit_->completed(*done);
      if (commit_->idle()) return;
    }
    FAIL() << "the commit never came to its end";
  }
  [[nodiscard]] std::size_t position(const std::string& what, std::size_t from = 0) const {
    const auto at = std::find(log_.begin() + static_cast<std::ptrdiff_t>(from), log_.end(), what);
    return static_cast<std::size_t>(at - log_.begin());
  }

  void chunk_durable(const std::shared_ptr<InFile>&, std::uint64_t chunk) override {
    log_.emplace_back("durable");
    durable_.push_back(chunk);
  }
  void published(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>&) override {
    log_.emplace_back("published");
    published_.push_back(file->name);
  }
  Result<> displace(const InFile& file, const journal::Naming& publish) override {
    log_.push_back("displace " + file.name);
    if (in_the_way_) return std::unexpected(*in_the_way_);
    if (auto gone = place_.disk->remove_dir(file.parent, file.name); !gone) return gone;
    return publish.give(file.parent, file.name);
  }
  void landing_lost(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>&, Error) override {
    lost_.push_back(file->name);
  }
  void publish_failed(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>&, Error error) override {
    failed_.push_back(file->name);
    problem_ = std::move(error);
  }
  void left_alone(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>&) override {
    left_alone_.push_back(file->name);
    EXPECT_TRUE(place_.zone->drop(file->landing_file));
  }
  void kept_lost(const std::string& path, Error) override { kept_lost_.push_back(path); }
  void commit_failed(Error error) override { problem_ = std::move(error); }

  Place place_;
  std::unique_ptr<journal::ManifestLog> manifest_;
  IncomingFiles files_{1, static_cast<std::uint32_t>(protocol::leaf_bytes)};
  std::uint64_t next_id_ = 0;
  std::atomic<bool> together_ = false;
  std::unique_ptr<Commit> commit_;
  std::vector<std::string> log_;
  std::vector<std::uint64_t> durable_;
  std::vector<std::string> published_;
  std::optional<Error> in_the_way_;
  std::vector<std::string> lost_;
  std::vector<std::string> failed_;
  std::vector<std::string> kept_lost_;
  std::vector<std::string> left_alone_;
  std::optional<Error> problem_;
};

/// Its bytes are durable and noted before what has its name goes; and nothing goes for what must stay.
TEST_F(CommitTest, WhatDisplacesADirectoryDoesSoAsItIsPublished) {
  const std::string content = "content";
  for (const bool stays : {true, false}) {
    const std::string name = stays ? "kept" : "gone";
    place_.fs.put_dir("target/" + name);
    log_.clear();
    failed_.clear();
    in_the_way_ = stays ? std::optional(Error{Code::busy, "something in it stays", 0}) : std::nullopt;
    auto file = whole_file(name, bytes_of(content));
    file->displaces = true;
    add_whole(file, bytes_of(content));
    run();
    EXPECT_EQ(failed_, stays ? std::vector<std::string>{name} : std::vector<std::string>());
    EXPECT_EQ(published_.size(), stays ? 0U : 1U);
    const auto there = place_.disk->stat(place_.root, name);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->type, stays ? disk::FileType::directory : disk::FileType::file);
    EXPECT_LT(position("displace " + name), log_.size());
  }
}

TEST_F(CommitTest, AWholeFileIsSyncedNotedRenamedAndThenAnswered) {
  const auto content = content_of(5000, 1);
  const auto file = whole_file("a", content);
  log_.clear();
  add_whole(file, content);
  EXPECT_TRUE(file->closed);
  run();
  const std::size_t sync = position("sync");
  const std::size_t manifest = position("write", sync);
  const std::size_t manifest_sync = position("sync", manifest);
  const std::size_t rename = position("rename", manifest_sync);
  const std::size_t dirs = position("sync_dir", rename);
  EXPECT_LT(position("published", dirs), log_.size());
  EXPECT_EQ(position("rename"), rename) << "renamed before the manifest was durable";
  EXPECT_EQ(position("published"), position("published", dirs)) << "answered before the directory was synced";
  EXPECT_EQ(place_.content("a"), content);
  place_.fs.crash();
  EXPECT_EQ(place_.content("a"), content);
  std::vector<journal::ManifestRecord> records;
  ASSERT_TRUE(journal::read_manifest(*place_.disk, place_.zone->directory(), "manifest.test.log", true,
                                     [&](const auto& record) {
                                       records.push_back(record);
                                       return true;
                                     }));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0], (journal::ManifestRecord{"a", 5000, 1234, chunk::file_digest(content)}));
}

TEST_F(CommitTest, ChunksAreAnsweredOnceDataAndJournalAreDurable) {
  const auto content = content_of(2 * node_bytes + 77, 2);
  auto file = large_file("large", content.size());
  log_.clear();
  add_chunk(file, 0, content);
  add_chunk(file, 2, content);
  run();
  EXPECT_EQ(durable_, (std::vector<std::uint64_t>{0, 2}));
  EXPECT_TRUE(file->durable.contains(0));
  EXPECT_FALSE(file->durable.contains(1));
  const std::size_t data = position("sync");
  const std::size_t records = position("write", data);
  const std::size_t journal = position("sync", records);
  EXPECT_EQ(position("durable"), position("durable", journal));
  // After a power cut the journal says so, and the data is there.
  place_.fs.crash();
  file.reset();
  file = large_file("large", content.size());
  EXPECT_EQ(file->landing_file.durable_nodes, (std::vector<bool>{true, false, true}));
  std::vector<std::byte> read(77);
  ASSERT_TRUE(disk::read_now(*place_.disk, *file->landing_file.data, 2 * node_bytes, read));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), content.end() - 77));
}

TEST_F(CommitTest, AFinishedLargeFileIsPublishedWithItsDigest) {
  const auto content = content_of(node_bytes + 100, 3);
  const auto file = large_file("large", content.size());
  add_chunk(file, 0, content);
  add_chunk(file, 1, content);
  run();
  commit_->add_finished(file, place_.clock.now());
  run();
  EXPECT_EQ(published_, std::vector<std::string>{"large"});
  EXPECT_EQ(place_.content("large"), content);
  EXPECT_EQ(place_.disk->stat(place_.root, "large")->mtime_ns, 1234);
  EXPECT_EQ(place_.disk->stat(place_.root, "large")->mode, 0644U);
  EXPECT_EQ(place_.zone->unfinished_files(), 0U);
}

TEST_F(CommitTest, AFailedSyncLosesTheLandingFileAndNothingElse) {
  const auto content = content_of(3000, 4);
  const auto bad = whole_file("bad", content);
  const auto good = whole_file("good", content);
  bool struck = false;
  place_.fs.fault = [&](const sim::FaultPoint& point) {
    if (struck || point.operation != "sync") return 0;
    struck = true;
    return EIO;
  };
  add_whole(bad, content);
  add_whole(good, content);
  run();
  EXPECT_EQ(lost_, std::vector<std::string>{"bad"});
  EXPECT_EQ(published_, std::vector<std::string>{"good"});
  EXPECT_FALSE(place_.exists("bad"));
}

// One for what is in them, one for their names.
TEST_F(CommitTest, ManyFilesAreSyncedTogether) {
  make_commit(true);
  const auto content = content_of(5000, 1);
  std::vector<std::shared_ptr<InFile>> files;
  for (int i = 0; i < 40; ++i) {
    place_.put("target/" + std::to_string(i) + "/old", "old");
    files.push_back(whole_file("f" + std::to_string(i), content));
    files.back()->parent = *place_.disk->open_dir(place_.root, std::to_string(i));
  }
  log_.clear();
  for (const auto& file : files) add_whole(file, content);
  run();
  EXPECT_EQ(published_.size(), 40U);
  EXPECT_EQ(std::ranges::count(log_, "sync_all"), 2);
  EXPECT_EQ(std::ranges::count(log_, "sync"), 1) << "of the manifest";
  EXPECT_EQ(std::ranges::count(log_, "sync_dir"), 2) << "of the landing directory, behind each";
  const std::size_t data = position("sync_all");
  const std::size_t manifest = position("sync", data);
  const std::size_t names = position("sync_all", manifest);
  EXPECT_LT(data, manifest);
  EXPECT_GT(position("rename"), manifest);
  EXPECT_LT(position("rename"), names);
  EXPECT_GT(position("published"), names);
  place_.fs.crash();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(place_.content(std::to_string(i) + "/f" + std::to_string(i)), content) << i;
}

TEST_F(CommitTest, AFinishedLargeFileIsSyncedTogetherWithManySmallOnes) {
  make_commit(true);
  const auto content = content_of(node_bytes + 100, 3);
  const auto large = large_file("large", content.size());
  add_chunk(large, 0, content);
  add_chunk(large, 1, content);
  run();
  commit_->add_finished(large, place_.clock.now());
  const auto small = content_of(50, 1);
  add_whole_files(20, small);
  log_.clear();
  run();
  EXPECT_EQ(published_.size(), 21U);
  EXPECT_EQ(std::ranges::count(log_, "sync"), 1) << "of the manifest";
  place_.fs.crash();
  EXPECT_EQ(place_.content("large"), content);
  EXPECT_EQ(place_.disk->stat(place_.root, "large")->mtime_ns, 1234);
  EXPECT_EQ(place_.disk->stat(place_.root, "large")->mode, 0644U);
}

// Their data are durable, and the journal is yet to say so.
TEST_F(CommitTest, ChunksAreSyncedTogetherWithManySmallFiles) {
  make_commit(true);
  const auto content = content_of(2 * node_bytes + 77, 2);
  auto file = large_file("large", content.size());
  add_chunk(file, 0, content);
  const auto small = content_of(50, 1);
  add_whole_files(20, small);
  log_.clear();
  run();
  EXPECT_EQ(durable_, std::vector<std::uint64_t>{0});
  EXPECT_EQ(std::ranges::count(log_, "sync"), 2) << "of its journal, and of the manifest";
  EXPECT_LT(position("sync_all"), position("sync"));
  place_.fs.crash();
  file.reset();
  file = large_file("large", content.size());
  EXPECT_EQ(file->landing_file.durable_nodes, (std::vector<bool>{true, false, false}));
  std::vector<std::byte> read(node_bytes);
  ASSERT_TRUE(disk::read_now(*place_.disk, *file->landing_file.data, 0, read));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), content.begin()));
}

// The names are in memory only: each directory is asked, and tells.
TEST_F(CommitTest, ASyncOfAllNamesThatFailedIsNotBelieved) {
  for (const bool directories_too : {false, true}) {
    make_commit(true);
    published_.clear();
    const auto content = content_of(5000, 1);
    const std::string prefix = directories_too ? "b" : "a";
    int all = 0;
    place_.fs.fault = [&](const sim::FaultPoint& point) {
      all += point.operation == "sync_all" ? 1 : 0;
      if (all < 2) return 0;
      return point.operation == "sync_all" || (directories_too && point.operation == "sync_dir") ? EIO : 0;
    };
    for (int i = 0; i < 20; ++i) {
      place_.put("target/" + prefix + std::to_string(i) + "/old", "old");
      const auto file = whole_file(prefix + "f" + std::to_string(i), content);
      file->parent = *place_.disk->open_dir(place_.root, prefix + std::to_string(i));
      add_whole(file, content);
    }
    log_.clear();
    run();
    EXPECT_FALSE(together_);
    place_.fs.fault = {};
    EXPECT_EQ(published_.size(), directories_too ? 0U : 20U);
    if (directories_too) continue;
    EXPECT_EQ(std::ranges::count(log_, "sync_dir"), 22) << "behind the data, each parent, the landing directory";
    place_.fs.crash();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(place_.content(fmt::format("{0}{1}/{0}f{1}", prefix, i)), content) << i;
  }
}

TEST_F(CommitTest, FewFilesAreSyncedOneByOneWhateverTheOthersHaveWritten) {
  make_commit(true);
  const auto content = content_of(5000, 1);
  add_whole_files(3, content);
  log_.clear();
  run();
  EXPECT_EQ(published_.size(), 3U);
  EXPECT_EQ(std::ranges::count(log_, "sync_all"), 0);
  EXPECT_GE(std::ranges::count(log_, "sync"), 4);
}

TEST_F(CommitTest, WhereTheFileSystemIsNotKnownToKeepItsWordEachFileIsSynced) {
  make_commit(true);
  place_.fs.syncs_all = false;
  const auto content = content_of(5000, 1);
  add_whole_files(40, content);
  log_.clear();
  run();
  EXPECT_EQ(published_.size(), 40U);
  EXPECT_EQ(std::ranges::count(log_, "sync_all"), 0);
  EXPECT_GE(std::ranges::count(log_, "sync"), 41);
}

// It tells that something is lost, once, and not what: the next one would say that all is well.
TEST_F(CommitTest, AfterASyncOfAllThatFailedEachFileIsAskedAlsoOfLaterGroups) {
  make_commit(true);
  const auto content = content_of(9000, 4);
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "sync_all" ? EIO : 0; };
  std::vector<std::shared_ptr<InFile>> now;
  std::vector<std::shared_ptr<InFile>> later;
  for (int i = 0; i < 20; ++i) {
    now.push_back(whole_file("now" + std::to_string(i), content));
    later.push_back(whole_file("later" + std::to_string(i), content));
  }
  for (const auto& file : now) add_whole(file, content);
  run();
  place_.fs.fault = {};
  log_.clear();
  for (const auto& file : later) add_whole(file, content);
  run();
  EXPECT_EQ(std::ranges::count(log_, "sync_all"), 0);
  EXPECT_EQ(published_.size() + lost_.size(), 40U);
  EXPECT_TRUE(std::ranges::any_of(lost_, [](const auto& name) { return name.starts_with("now"); }));
  EXPECT_TRUE(std::ranges::any_of(lost_, [](const auto& name) { return name.starts_with("later"); }));
  place_.fs.crash();
  for (const std::string& name : published_) EXPECT_EQ(place_.content(name), content) << name;
}

TEST_F(CommitTest, ChunksOfALostFileAreNeverAnswered) {
  const auto content = content_of(2 * node_bytes, 5);
  const auto file = large_file("large", content.size());
  for (const int fail_at : {1, 2}) {  // the data's sync, the journal's
    int syncs = 0;
    place_.fs.fault = [&](const sim::FaultPoint& point) {
      return point.operation == "sync" && ++syncs == fail_at ? EIO : 0;
    };
    lost_.clear();
    file->chunks.clear();
    add_chunk(file, 0, content);
    run();
    EXPECT_EQ(lost_, std::vector<std::string>{"large"});
    EXPECT_EQ(syncs, fail_at) << "a failed sync was repeated";
    EXPECT_TRUE(durable_.empty());
    EXPECT_FALSE(file->durable.contains(0));
  }
}

TEST_F(CommitTest, NothingIsPublishedWithoutItsManifestRecord) {
  const auto content = content_of(3000, 6);
  const auto file = whole_file("a", content);
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "write" && point.path.find("manifest") != std::string_view::npos ? ENOSPC : 0;
  };
  add_whole(file, content);
  run();
  ASSERT_TRUE(problem_);
  EXPECT_EQ(problem_->code, Code::no_space);
  EXPECT_TRUE(published_.empty());
  EXPECT_FALSE(place_.exists("a"));
}

TEST_F(CommitTest, ARenameThatFailsFailsItsFileOnly) {
  const auto content = content_of(3000, 7);
  const auto bad = whole_file("bad", content);
  const auto good = whole_file("good", content);
  place_.fs.put_dir("target/bad");
  add_whole(bad, content);
  add_whole(good, content);
  run();
  EXPECT_EQ(failed_, std::vector<std::string>{"bad"});
  EXPECT_EQ(published_, std::vector<std::string>{"good"});
}

/// What the log of the transfer says of a file last: its size; 0: nothing.
std::uint64_t last_noted(Place& place, const std::string& path) {
  std::uint64_t size = 0;
  EXPECT_TRUE(journal::read_manifest(*place.disk, place.zone->directory(), "manifest.test.log", true,
                                     [&](const journal::ManifestRecord& record) {
                                       if (record.path == path) size = record.gone ? 0 : record.size;
                                       return true;
                                     }));
  return size;
}

TEST_F(CommitTest, WhatHasComeToBeThereMeanwhileIsLeftAlone) {
  const auto content = content_of(node_bytes + 100, 3);
  const ConstBytes little(content.data(), 3000);
  for (const bool unnamed : {false, true}) {
    place_.fs.best_unnamed = unnamed;
    const std::string prefix = unnamed ? "unnamed-" : "named-";
    published_.clear();
    left_alone_.clear();
    const auto large = large_file(prefix + "large", content.size());
    large->leave_alone.existing = true;
    add_chunk(large, 0, content);
    add_chunk(large, 1, content);
    run();
    for (const std::string name : {"new", "taken", "just taken"}) {
      const auto file = whole_file(prefix + name, little);
      file->leave_alone.existing = true;
      add_whole(file, little);
    }
    place_.put("target/" + prefix + "large", "mine");
    place_.put("target/" + prefix + "taken", "mine");
    const std::string late = prefix + "just taken";
    place_.fs.fault = [&](const sim::FaultPoint& point) {  // after it has been looked for
      if ((point.operation == "rename_to_new" || point.operation == "name_file") && point.path == late)
        place_.put("target/" + late, "mine");
      return 0;
    };
    commit_->add_finished(large, place_.clock.now());
    run();
    EXPECT_EQ(published_, std::vector<std::string>{prefix + "new"});
    EXPECT_EQ(left_alone_, (std::vector<std::string>{prefix + "taken", late, prefix + "large"}));
    for (const std::string name : {"taken", "just taken", "large"}) {
      EXPECT_EQ(place_.content(prefix + name).size(), 4U) << name;
      EXPECT_EQ(last_noted(place_, prefix + name), 0U) << name;
    }
    EXPECT_EQ(last_noted(place_, prefix + "new"), 3000U);
  }
  EXPECT_TRUE(failed_.empty());
  EXPECT_FALSE(problem_);
  std::size_t left = 0;
  place_.fs.for_each("target/.longhaul/landing", "", [&](const std::string&, const sim::Inode&) { ++left; });
  EXPECT_EQ(left, 0U) << "landing files";
}

TEST_F(CommitTest, WhatHasBecomeNewerMeanwhileIsLeftAlone) {
  const auto content = content_of(3000, 3);
  for (const std::string name : {"newer", "older", "absent"}) {
    const auto file = whole_file(name, content);  // of 1234 ns
    file->leave_alone.newer = true;
    add_whole(file, content);
  }
  place_.fs.put_file("target/newer", bytes_of("mine"), 0600, 1235);
  place_.fs.put_file("target/older", bytes_of("mine"), 0600, 1233);
  run();
  EXPECT_EQ(published_, (std::vector<std::string>{"older", "absent"}));
  EXPECT_EQ(left_alone_, std::vector<std::string>{"newer"});
  EXPECT_EQ(place_.content("newer").size(), 4U);
  EXPECT_EQ(place_.content("older"), content);
}

TEST_F(CommitTest, WhatIsDroppedIsForgotten) {
  const auto content = content_of(node_bytes, 8);
  const auto file = large_file("large", 2 * node_bytes);
  add_chunk(file, 0, content);
  commit_->drop(*file);
  EXPECT_TRUE(commit_->idle());
  add_chunk(file, 0, content);
  commit_->step(place_.clock.now(), true);  // its sync is on its way
  commit_->drop(*file);
  run();
  EXPECT_TRUE(durable_.empty());
}

TEST_F(CommitTest, WhatStaysIsSyncedIfItWasSetAndThenNoted) {
  place_.put("target/good", "content");
  place_.put("target/bad", "content");
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "sync" && point.path == "bad" ? EIO : 0;
  };
  for (const std::string name : {"good", "bad"}) {
    auto file = *place_.disk->open_file(place_.root, name, disk::Open::read, false);
    ASSERT_TRUE(place_.disk->set_mtime(*file, 77));
    commit_->add_kept({file, {name, 7, 77, chunk::file_digest(place_.content(name))}}, place_.clock.now());
  }
  EXPECT_EQ(commit_->kept_waiting(), 2U);
  EXPECT_FALSE(commit_->idle());
  log_.clear();
  run();
  EXPECT_EQ(commit_->kept_waiting(), 0U);
  EXPECT_EQ(kept_lost_, std::vector<std::string>{"bad"});
  EXPECT_EQ(place_.fs.look("target/good")->durable.mtime_ns, 77);
  EXPECT_LT(position("sync"), position("write")) << "the manifest must not lead";
  std::vector<std::byte> record;
  const auto log = place_.fs.look("target/.longhaul/manifest.test.log");
  journal::encode_manifest_record({"bad", 7, 77, chunk::file_digest(place_.content("bad"))}, record);
  EXPECT_EQ(memmem(log->bytes.data(), log->bytes.size(), record.data(), record.size()), nullptr);
  record.clear();
  journal::encode_manifest_record({"good", 7, 77, chunk::file_digest(place_.content("good"))}, record);
  EXPECT_NE(memmem(log->durable_bytes.data(), log->durable_bytes.size(), record.data(), record.size()), nullptr);
}

TEST_F(CommitTest, ACopyIsSyncedNotedInItsLogAndThenNamed) {
  const auto content = content_of(1000, 9);
  place_.put("target/old", "old");
  place_.put("target/bad", "old");
  std::shared_ptr<journal::ManifestLog> other =
      *journal::ManifestLog::open(*place_.disk, place_.zone->directory(), "manifest.other.log");
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "rename_to" && point.path == "bad" ? EACCES : 0;
  };
  for (const std::string name : {"old", "bad"}) {
    const auto file = whole_file(name, content);
    commit_->add_kept({file->landing_file.data, {name, 1000, 1234, chunk::file_digest(content)}, true, other, file},
                      place_.clock.now());
  }
  log_.clear();
  run();
  EXPECT_EQ(place_.content("old"), content);
  EXPECT_EQ(place_.content("bad").size(), 3U);
  EXPECT_EQ(kept_lost_, std::vector<std::string>{"bad"});
  EXPECT_TRUE(published_.empty()) << "the sender knows nothing of it";
  EXPECT_LT(position("sync"), position("write"));
  EXPECT_LT(position("write"), position("rename"));
  std::vector<std::byte> record;
  journal::encode_manifest_record({"old", 1000, 1234, chunk::file_digest(content)}, record);
  const auto holds = [&](const char* log) {
    const auto bytes = place_.fs.look(std::string("target/.longhaul/") + log)->durable_bytes;
    return memmem(bytes.data(), bytes.size(), record.data(), record.size()) != nullptr;
  };
  EXPECT_TRUE(holds("manifest.other.log"));
  EXPECT_FALSE(holds("manifest.test.log"));
  std::size_t left = 0;
  place_.fs.for_each("target/.longhaul/landing", "", [&](const std::string&, const sim::Inode&) { ++left; });
  EXPECT_EQ(left, 0U) << "landing files";
}

TEST_F(CommitTest, ACopyThatCannotBeSyncedLeavesItsNameAsItWas) {
  const auto content = content_of(1000, 9);
  place_.put("target/old", "old");
  const auto file = whole_file("old", content);
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "sync" ? EIO : 0; };
  commit_->add_kept({file->landing_file.data, {"old", 1000, 1234, chunk::file_digest(content)}, true, nullptr, file},
                    place_.clock.now());
  for (int i = 0; i < 20; ++i) {
    commit_->step(place_.clock.now(), true);
    while (disk::Operation* done = place_.data_disk->wait()) commit_->completed(*done);
  }
  EXPECT_EQ(kept_lost_, std::vector<std::string>{"old"});
  EXPECT_EQ(place_.content("old").size(), 3U);
}

TEST_F(CommitTest, GroupsGatherForAWhile) {
  const auto content = content_of(100, 9);
  EXPECT_EQ(commit_->step(place_.clock.now(), false), time_never);
  add_whole(whole_file("a", content), content);
  log_.clear();
  const Time due = commit_->step(place_.clock.now(), false);
  EXPECT_GT(due, place_.clock.now());
  EXPECT_EQ(position("sync"), log_.size());
  place_.clock.advance_to(due);
  commit_->step(place_.clock.now(), false);
  EXPECT_LT(position("sync"), log_.size());
  run();
}

}  // namespace
}  // namespace longhaul::engine
