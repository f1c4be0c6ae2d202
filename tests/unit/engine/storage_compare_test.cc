// The receiver's half of --checksum: storage, desk and dry run, as a sender meets them.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <optional>

#include "chunk/digest_tree.h"
#include "deaf_poller.h"
#include "disk/blocking.h"
#include "engine/storage.h"
#include "longhaul/sink.h"
#include "place.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"
#include "wire/tcp.h"

namespace longhaul::engine {
namespace {

using protocol::Verdict;

class StorageCompares : public ::testing::Test {
 protected:
  void make(bool dry_run = false, Delta by = Delta::sha256, LeaveAlone leave_alone = {}, Delta delta = Delta::none,
            std::shared_ptr<Sink> sink = directory_sink("target"), bool publish_trees = false) {
    place_.clock.advance(123'456'789);  // times of change have digits
    by_ = by;
    Storage::Setup setup;
    setup.transfer = 1;
    setup.id = "mine";
    setup.sink = std::move(sink);
    setup.leave_alone = leave_alone;
    setup.chunk_bytes = protocol::node_bytes;
    setup.frame_bytes = protocol::frame_bytes_min;
    setup.dry_run = dry_run;
    setup.publish_trees = publish_trees;
    setup.checksum = by;
    setup.delta = delta;
    setup.compare = [this](ContentJob job) { jobs_.push_back(std::move(job)); };
    setup.ready = [] {};
    setup.tell = [this](const protocol::Message& message) { take(message); };
    setup.failed = [this](Error error) { failed_ = std::move(error); };
    setup.complete = [this] { complete_ = true; };
    setup.closed = [] {};
    if (dry_run)
      setup.would = [this](Would would, const std::string& path) {
        would_.push_back(std::string(name_of(would)) + ' ' + path);
      };
    storage_ = std::make_unique<Storage>(
        Kit{std::make_unique<DeafPoller>(), place_.fs.make_disk("data"), place_.fs.make_disk("plain")}, world_,
        std::move(setup));
    step();
  }
  void take(const protocol::Message& message) {
    for (int i = 0; i < message.verdicts().verdicts_size(); ++i)
      first_[message.verdicts().first() + static_cast<std::uint64_t>(i)] = message.verdicts().verdicts(i);
    for (int i = 0; i < message.compared().file_size(); ++i)
      decided_[message.compared().file(i)] = message.compared().verdicts(i);
    if (message.has_compared() && message.compared().file_size() == 0) ++signs_of_life_;
  }
  void step() {
    for (int i = 0; i < 40; ++i) {
      (void)storage_->step(now_);
      place_.clock.advance(millisecond);
    }
  }
  void put(const std::string& name, std::string_view text, std::int64_t mtime_ns = 1, std::uint32_t mode = 0644) {
    place_.fs.put_file("target/" + name, bytes_of(text), mode, mtime_ns);
  }
  /// Of content that the source has.
  std::uint64_t announce(const std::string& name, std::string_view text, std::int64_t mtime_ns = 5'000'000'007) {
    Entry entry;
    entry.path = name;
    entry.size = text.size();
    entry.mtime_ns = mtime_ns;
    entry.mode = 0644;
    protocol::Announce batch;
    batch.set_first(next_);
    *batch.add_entries() = protocol::to_wire(entry);
    storage_->post([batch](Storage& it) { it.announce(batch); });
    step();
    return next_++;
  }
  void read_here() {
    Comparer comparer(*place_.data_disk, [this, &comparer] {
      while (disk::Operation* operation = place_.data_disk->reap()) (void)comparer.take(*operation);
    });
    for (ContentJob& job : std::exchange(jobs_, {})) {
      comparer.count(job);
      comparer.add(std::move(job));
    }
    while (comparer.step() || place_.data_disk->in_flight() > 0)
      if (disk::Operation* operation = place_.data_disk->wait()) (void)comparer.take(*operation);
    step();
  }
  void tell_key(std::uint64_t file, std::string_view text) { tell_keys(file, file + 1, text); }
  void tell_keys(std::uint64_t first, std::uint64_t end, std::string_view text) {
    ContentHash hash(by_, false);
    for (std::string_view rest = text; !rest.empty();) {
      const auto piece = rest.substr(0, ContentHash::piece_bytes);
      hash.add(bytes_of(piece));
      rest.remove_prefix(piece.size());
    }
    protocol::Compared keys;
    const ContentKey key = hash.finish().key;
    for (std::uint64_t file = first; file < end; ++file) {
      keys.add_file(file);
      keys.mutable_keys()->append(text_of(key));
    }
    storage_->post([keys](Storage& it) { it.compared(keys); });
    step();
  }
  /// What is decided of a file whose source is `text`.
  Verdict compared(const std::string& name, std::string_view text, std::int64_t mtime_ns = 5'000'000'007) {
    const std::uint64_t id = announce(name, text, mtime_ns);
    EXPECT_EQ(first_[id].action(), Verdict::COMPARE) << name;
    read_here();
    EXPECT_FALSE(decided_.contains(id)) << "without the sender's key";
    tell_key(id, text);
    EXPECT_TRUE(decided_.contains(id)) << name;
    return decided_[id];
  }
  /// Time goes by for the group to begin.
  void commit() {
    for (int i = 0; i < 20; ++i, now_ += 100 * millisecond) step();
  }
  void end() {
    protocol::EndOfEntries end;
    end.set_entries(next_);
    storage_->post([end](Storage& it) { it.end_of_entries(end); });
    commit();
  }
  [[nodiscard]] bool in_manifest(const std::string& name, std::int64_t mtime_ns) {
    std::vector<std::byte> record;
    const auto content = place_.content(name);
    journal::encode_manifest_record({name, content.size(), mtime_ns, chunk::file_digest(content)}, record);
    bool found = false;
    place_.fs.for_each("target/.longhaul", "landing", [&](const std::string& path, const sim::Inode& inode) {
      if (path.starts_with("manifest") && !inode.durable_bytes.empty())
        found = found ||
                memmem(inode.durable_bytes.data(), inode.durable_bytes.size(), record.data(), record.size()) != nullptr;
    });
    return found;
  }

  Place place_;
  std::unique_ptr<wire::Wire> wire_ = wire::make_tcp_wire();
  std::unique_ptr<Runner> runner_ = make_thread_runner();
  World world_{place_.clock, place_.random, *wire_, *runner_};
  Delta by_ = Delta::sha256;
  Time now_ = second;
  std::uint64_t next_ = 0;
  std::vector<ContentJob> jobs_;
  std::map<std::uint64_t, Verdict> first_;
  std::map<std::uint64_t, Verdict> decided_;
  unsigned signs_of_life_ = 0;
  std::vector<std::string> would_;
  std::optional<Error> failed_;
  bool complete_ = false;
  std::unique_ptr<Storage> storage_;
};

TEST_F(StorageCompares, ByEitherDigestContentDecidesAndTimesDoNot) {
  for (const Delta by : {Delta::sha256, Delta::xxh3}) {
    next_ = 0;
    first_.clear();
    decided_.clear();
    put("other content", "hallo", 5'000'000'007);
    put("other time", "hello", 1);
    put("nothing differs", "hello", 5'000'000'007);
    put("empty", "", 1);
    make(false, by);
    EXPECT_EQ(compared("other content", "hello").action(), Verdict::SEND) << "its size and time are the same";
    EXPECT_EQ(compared("other time", "hello").action(), Verdict::SKIP);
    EXPECT_EQ(compared("nothing differs", "hello").action(), Verdict::SKIP);
    EXPECT_EQ(compared("empty", "").action(), Verdict::SKIP);
    commit();
    for (const char* name : {"other time", "empty"})
      EXPECT_EQ(place_.fs.look(std::string("target/") + name)->durable.mtime_ns, 5'000'000'007) << name;
    EXPECT_TRUE(in_manifest("other time", 5'000'000'007));
    EXPECT_TRUE(in_manifest("empty", 5'000'000'007));
    EXPECT_EQ(storage_->counters().compared_files, 4U);
    EXPECT_EQ(storage_->counters().same_files, 3U);
    EXPECT_EQ(storage_->counters().skipped_files, 3U);
    EXPECT_FALSE(failed_) << failed_->text;
    storage_.reset();
  }
}

TEST_F(StorageCompares, OnlyFilesOfOneSizeAreRead) {
  put("longer", "hello there");
  place_.fs.put_symlink("target/link", "hello");
  make();
  for (const char* name : {"longer", "link", "missing"})
    EXPECT_EQ(first_[announce(name, "hello")].action(), Verdict::SEND) << name;
  EXPECT_TRUE(jobs_.empty());
}

TEST_F(StorageCompares, WhatIsLeftAloneIsNotRead) {
  put("file", "hello", 9'000'000'000);
  make(false, Delta::sha256, {.newer = true});
  EXPECT_TRUE(first_[announce("file", "hallo")].left_alone());
  EXPECT_TRUE(jobs_.empty());
  put("older", "hello", 1);
  EXPECT_EQ(first_[announce("older", "hallo")].action(), Verdict::COMPARE);
}

TEST_F(StorageCompares, ModeAndTimeAreSetWhereContentStays) {
  put("file", "hello", 1, 0600);
  make();
  EXPECT_EQ(compared("file", "hello").action(), Verdict::SKIP);
  EXPECT_EQ(place_.disk->stat(place_.root, "file")->mode, 0644U);
  EXPECT_EQ(place_.disk->stat(place_.root, "file")->mtime_ns, 5'000'000'007);
  end();
  EXPECT_TRUE(complete_);
}

TEST_F(StorageCompares, ATimeThatCannotBeSetIsToldBeforeContentMoves) {
  put("file", "hello");
  make();
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "set_mtime" && point.path == "file" ? EPERM : 0;
  };
  const Verdict verdict = compared("file", "hello");
  EXPECT_EQ(verdict.action(), Verdict::REFUSE);
  EXPECT_NE(verdict.text().find("its time cannot be set there"), std::string::npos) << verdict.text();
}

TEST_F(StorageCompares, ANewTimeThatCannotBeSyncedIsTold) {
  put("file", "hello");
  make();
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "sync" && point.path == "file" ? EIO : 0;
  };
  EXPECT_EQ(compared("file", "hello").action(), Verdict::SKIP);
  end();
  EXPECT_TRUE(complete_);
  ASSERT_EQ(storage_->late_failures().count, 1U);
  EXPECT_EQ(storage_->late_failures().first[0].path, "file");
  EXPECT_EQ(storage_->late_failures().first[0].error.code, Code::io);
  EXPECT_FALSE(in_manifest("file", 5'000'000'007));
}

TEST_F(StorageCompares, WhatChangesAtTheTargetIsSent) {
  put("while read", "hello");
  put("after", "hello");
  make();
  const std::uint64_t changed = announce("while read", "hello");
  place_.fs.rewrite("target/while read", bytes_of("helloo"), 1);
  read_here();
  EXPECT_EQ(decided_[changed].action(), Verdict::SEND) << "there is nothing to wait for";
  const std::uint64_t later = announce("after", "hello");
  read_here();
  place_.fs.rewrite("target/after", bytes_of("hellx"), 1);
  tell_key(later, "hello");
  EXPECT_EQ(decided_[later].action(), Verdict::SEND);
}

TEST_F(StorageCompares, WhatCannotBeReadAtTheTargetIsSent) {
  put("file", "hello");
  make();
  const std::uint64_t id = announce("file", "hello");
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "read" ? EIO : 0; };
  read_here();
  EXPECT_EQ(decided_[id].action(), Verdict::SEND);
  tell_key(id, "hello");  // comes too late, and is no matter
  EXPECT_FALSE(failed_) << failed_->text;
}

TEST_F(StorageCompares, ASourceThatIsGivenUpIsNotWaitedFor) {
  put("file", "hello");
  make();
  const std::uint64_t id = announce("file", "hello");
  protocol::FileEnd gone;
  gone.set_file(id);
  gone.set_state(protocol::FileEnd::FAILED);
  storage_->post([gone](Storage& it) { it.file_end(gone); });
  read_here();
  end();
  EXPECT_TRUE(complete_);
  EXPECT_FALSE(decided_.contains(id));
}

TEST_F(StorageCompares, AKeyMayComeFirst) {
  put("file", "hello");
  make();
  const std::uint64_t id = announce("file", "hello");
  tell_key(id, "hello");
  EXPECT_FALSE(decided_.contains(id));
  read_here();
  EXPECT_EQ(decided_[id].action(), Verdict::SKIP);
}

TEST_F(StorageCompares, ALargeFileThatDiffersIsSentAsADelta) {
  std::string text(protocol::whole_bytes_max + 100'000, 'x');
  put("large", text);
  make(false, Delta::sha256, {}, Delta::sha256);
  EXPECT_EQ(compared("large", text).action(), Verdict::SKIP);
  text[9'000'000 - 700'000] = 'y';
  const Verdict verdict = compared("large", text, 6'000'000'000);
  EXPECT_EQ(verdict.action(), Verdict::SEND);
  EXPECT_TRUE(verdict.older());
  EXPECT_EQ(verdict.chunk_bytes(), protocol::node_bytes);
}

TEST_F(StorageCompares, ADryRunSaysWhatWouldBeSentAndSetsNothing) {
  put("other", "hallo", 5'000'000'007);
  put("time", "hello", 1);
  put("same", "hello", 5'000'000'007);
  const auto before = place_.fs.tree("target");
  make(true);
  EXPECT_EQ(compared("other", "hello").would(), Verdict::CHANGE);
  EXPECT_EQ(compared("time", "hello").would(), Verdict::SET_PROPERTIES);
  EXPECT_EQ(compared("same", "hello").would(), Verdict::NOTHING);
  EXPECT_EQ(would_, (std::vector<std::string>{"changed other", "properties time", "same same"}));
  EXPECT_EQ(place_.fs.tree("target"), before);
  end();
  EXPECT_TRUE(complete_);
}

TEST_F(StorageCompares, ManyThatGetAnotherTimeDoNotStayOpenTogether) {
  constexpr unsigned count = 2000;
  for (unsigned i = 0; i < count; ++i) put("file " + std::to_string(i), "hello");
  make();
  for (unsigned i = 0; i < count; ++i) announce("file " + std::to_string(i), "hello");
  ASSERT_EQ(jobs_.size(), count);
  read_here();
  place_.fs.sync_delay = 10 * second;
  tell_keys(0, count, "hello");
  EXPECT_GE(decided_.size(), 500U);
  EXPECT_LE(decided_.size(), 1024U) << "their syncs are still on their way";
  for (int i = 0; i < 10 && decided_.size() < count; ++i) {
    place_.clock.advance(20 * second);
    step();
  }
  EXPECT_EQ(decided_.size(), count);
}

/// Without --checksum too. Where more wait for it than may stay open, what is announced waits as well.
TEST_F(StorageCompares, ModesThatAreSetOfWhatStaysAreDurableAtTheEnd) {
  constexpr unsigned count = 1200;
  const auto path_of = [](unsigned i) { return "target/file " + std::to_string(i); };
  for (unsigned i = 0; i < count; ++i) put("file " + std::to_string(i), "hello", 5'000'000'007, 0600);
  make(false, Delta::none);
  place_.fs.sync_delay = 3600 * second;
  for (unsigned i = 0; i < count; ++i) announce("file " + std::to_string(i), "hello");
  EXPECT_GE(first_.size(), 512U);
  EXPECT_LT(first_.size(), 600U) << "their syncs are still on their way";
  EXPECT_EQ(place_.fs.look(path_of(0))->durable.mode, 0600U);
  place_.fs.sync_delay = 0;
  place_.clock.advance(7200 * second);
  end();
  EXPECT_TRUE(complete_);
  ASSERT_EQ(first_.size(), count);
  for (unsigned i = 0; i < count; ++i) {
    EXPECT_EQ(first_[i].action(), Verdict::SKIP) << i;
    EXPECT_EQ(place_.fs.look(path_of(i))->durable.mode, 0644U) << i;
  }
  EXPECT_FALSE(in_manifest("file 0", 5'000'000'007)) << "nobody has read it";
}

/// The page cache says what is there, and power may take it: the manifest must not say so before it is durable.
TEST_F(StorageCompares, ContentThatIsSaidToBeThereIsDurable) {
  put("file", "hallo", 5'000'000'007);
  const auto file = *place_.disk->open_file(place_.root, "file", disk::Open::write, false);
  ASSERT_TRUE(disk::write_now(*place_.disk, *file, 0, bytes_of("hello")));
  ASSERT_TRUE(place_.disk->set_mtime(*file, 5'000'000'007));
  make();
  EXPECT_EQ(compared("file", "hello").action(), Verdict::SKIP);
  end();
  EXPECT_TRUE(in_manifest("file", 5'000'000'007));
  EXPECT_EQ(text_of(place_.fs.look("target/file")->durable_bytes), "hello");
}

/// Looked at by its name, and another file by the time it is opened: that one does not get the source's time.
TEST_F(StorageCompares, WhatTakesItsNameInTheLastMomentIsNotKept) {
  put("file", "hello");
  make();
  const std::uint64_t id = announce("file", "hello");
  read_here();
  place_.fs.fault = [this](const sim::FaultPoint& point) {
    if (point.operation == "open" && point.path == "file") place_.fs.rewrite("target/file", bytes_of("hallo"), 1);
    return 0;
  };
  tell_key(id, "hello");
  EXPECT_EQ(decided_[id].action(), Verdict::SEND);
  EXPECT_EQ(place_.fs.look("target/file")->cached.mtime_ns, 1);
}

TEST_F(StorageCompares, TellsThatItReads) {
  put("file", "hello");
  make();
  announce("file", "hello");
  now_ += 2 * second;
  step();
  EXPECT_EQ(signs_of_life_, 0U) << "it does not";
  jobs_.at(0).tally->bytes += 1;
  now_ += 2 * second;
  step();
  EXPECT_EQ(signs_of_life_, 1U);
  now_ += 2 * second;
  step();
  EXPECT_EQ(signs_of_life_, 1U);
}

TEST_F(StorageCompares, HalfAKeyIsNonsense) {
  put("file", "hello");
  make();
  protocol::Compared keys;
  keys.add_file(announce("file", "hello"));
  keys.set_keys("half");
  storage_->post([keys](Storage& it) { it.compared(keys); });
  step();
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::protocol);
}

TEST_F(StorageCompares, ATreeIsPublishedWithCopiesOfWhatOnlyHasAnotherTime) {
  put("t/other time", "hello", 1);
  put("t/other content", "hallo", 5'000'000'007);
  make(false, Delta::sha256, {}, Delta::none, directory_sink("target"), true);
  Entry tree;
  tree.type = EntryType::directory;
  tree.path = "t";
  tree.mode = 0755;
  protocol::Announce batch;
  batch.set_first(next_++);
  *batch.add_entries() = protocol::to_wire(tree);
  storage_->post([batch](Storage& it) { it.announce(batch); });
  step();
  const std::uint64_t old = place_.fs.look("target/t/other time")->number;
  EXPECT_EQ(compared("t/other time", "hello").action(), Verdict::SKIP);
  EXPECT_EQ(compared("t/other content", "hello").action(), Verdict::SEND);
  const std::uint64_t sent = next_ - 1;
  EXPECT_EQ(place_.fs.look("target/t/other time")->cached.mtime_ns, 1) << "nothing is to be seen";
  // The source of the other vanishes: nothing is published. Its last run had all but this.
  protocol::FileEnd gone;
  gone.set_file(sent);
  gone.set_state(protocol::FileEnd::FAILED);
  storage_->post([gone](Storage& it) { it.file_end(gone); });
  end();
  EXPECT_TRUE(complete_);
  EXPECT_EQ(place_.fs.look("target/t/other time")->number, old);
  storage_.reset();
  next_ = 0;
  complete_ = false;
  first_.clear();
  decided_.clear();
  make(false, Delta::sha256, {}, Delta::none, directory_sink("target"), true);
  batch.set_first(next_++);
  storage_->post([batch](Storage& it) { it.announce(batch); });
  step();
  EXPECT_EQ(compared("t/other time", "hello").action(), Verdict::SKIP) << "it has landed";
  end();
  EXPECT_TRUE(complete_);
  EXPECT_FALSE(failed_) << failed_->text;
  EXPECT_NE(place_.fs.look("target/t/other time")->number, old);
  EXPECT_EQ(place_.fs.look("target/t/other time")->durable.mtime_ns, 5'000'000'007);
  EXPECT_TRUE(in_manifest("t/other time", 5'000'000'007));
}

TEST_F(StorageCompares, WhoWritesToNoDirectoryCannotCompare) {
  make(false, Delta::sha256, {}, Delta::none, stream_sink(-1));
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::usage);
  EXPECT_NE(failed_->text.find("--checksum"), std::string::npos) << failed_->text;
}

}  // namespace
}  // namespace longhaul::engine
