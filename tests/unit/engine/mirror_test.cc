#include "engine/mirror.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "engine/desk.h"
#include "longhaul/sink.h"
#include "place.h"

namespace longhaul::engine {
namespace {

Entry of_type(EntryType type, std::string path) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.mode = 0755;
  entry.mtime_ns = 5;
  return entry;
}
Entry file(std::string path) {
  return of_type(EntryType::file, std::move(path));
}
Entry directory(std::string path) {
  Entry entry = of_type(EntryType::directory, std::move(path));
  entry.content = true;
  return entry;
}

class MirrorTest : public ::testing::Test {
 protected:
  using Names = std::set<std::string>;

  void SetUp() override {
    reopen();
    for (const char* name : {"d", "more", "more/deep"}) place_.fs.put_dir(std::string("target/") + name);
    for (const char* name : {"a", "d/b", "d/y", "more/z", "more/deep/z", "x"})
      place_.put(std::string("target/") + name, name);
  }
  /// Names "target/new", which a test has put there.
  journal::Naming name_new() {
    return {.give = [this](const disk::DirPtr& in,
                           std::string_view name) { return place_.disk->rename(place_.root, "new", in, name); },
            .take_back = [](const auto&, auto) { ADD_FAILURE() << "nothing is to be taken back"; }};
  }
  void reopen(MirrorAsk ask = {}, bool dry_run = false) {
    auto opened =
        TargetMirror::open({.disk = *place_.disk,
                            .root = place_.root,
                            .zone = dry_run ? nullptr : place_.zone->directory(),
                            .scratch_name = "scratch.test",
                            .ask = std::move(ask),
                            .counters = counters_,
                            .ended = ended_,
                            .failed = [this](const std::string& path, const Error&) { failed_.push_back(path); },
                            .deleted = [this](const std::string& path) { deleted_.push_back(path); },
                            .trash = &trash_,
                            .manifest = manifest_.get()});
    ASSERT_TRUE(opened) << opened.error().text;
    mirror_ = std::move(*opened);
  }
  void announce(const std::vector<Entry>& entries) {
    for (const Entry& each : entries) ASSERT_TRUE(mirror_->announced(each));
  }
  void finish(bool errors = false) {
    const auto finished = mirror_->finish(errors);
    ASSERT_TRUE(finished) << finished.error().text;
  }
  /// Everything at the target but the landing zone.
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> found;
    place_.fs.for_each("target", ".longhaul", [&](const std::string& path, const sim::Inode&) {
      if (!path.empty() && !path.ends_with(".longhaul")) found.insert(path);
    });
    return found;
  }

  /// What the manifest's log says is gone.
  [[nodiscard]] Names forgotten() const {
    Names gone;
    const auto read = journal::read_manifest(*place_.disk, place_.zone->directory(), "manifest.test.log", true,
                                             [&](const journal::ManifestRecord& record) {
                                               EXPECT_TRUE(record.gone);
                                               gone.insert(record.path);
                                               return true;
                                             });
    EXPECT_TRUE(read) << read.error().text;
    return gone;
  }
  void open_manifest() {
    manifest_ = *journal::ManifestLog::open(*place_.disk, place_.zone->directory(), "manifest.test.log");
    reopen();
  }

  Place place_;
  journal::Trash trash_{*place_.disk, place_.zone->directory(), "test"};
  std::unique_ptr<journal::ManifestLog> manifest_;
  MirrorCounters counters_;
  std::atomic<bool> ended_{false};
  std::vector<std::string> failed_;
  std::vector<std::string> deleted_;
  std::unique_ptr<TargetMirror> mirror_;
  const Names all_ = {"a", "d", "d/b", "d/y", "more", "more/deep", "more/deep/z", "more/z", "x"};
  const std::vector<Entry> source_ = {directory(""), file("a"), directory("d"), file("d/b")};
};

TEST_F(MirrorTest, WhatWasNotAnnouncedGoesChildrenFirst) {
  announce(source_);
  EXPECT_EQ(names(), all_) << "before the end";
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b"}));
  EXPECT_EQ(counters_.files, 4U);
  EXPECT_EQ(counters_.directories, 2U);
  const auto place = [&](const std::string& path) { return std::ranges::find(deleted_, path) - deleted_.begin(); };
  EXPECT_LT(place("more/deep/z"), place("more/deep/"));
  EXPECT_LT(place("more/deep/"), place("more/"));
  EXPECT_EQ(deleted_.size(), 6U);
  EXPECT_TRUE(failed_.empty());
}

TEST_F(MirrorTest, ErrorsHoldItUnlessTheyAreIgnored) {
  announce(source_);
  finish(true);
  EXPECT_EQ(names(), all_);
  EXPECT_TRUE(counters_.held);
  reopen({.ignore_errors = true});
  announce(source_);
  finish(true);
  EXPECT_EQ(names(), (Names{"a", "d", "d/b"}));
}

TEST_F(MirrorTest, OnlyDirectoriesWithContentAreLookedInto) {
  Entry bare = directory("d");
  bare.content = false;
  announce({file("a"), bare, file("d/b")});
  finish();
  EXPECT_EQ(names(), all_);
  reopen();
  Entry mentioned = of_type(EntryType::mention, "d");
  mentioned.content = true;
  announce({file("a"), bare, mentioned, of_type(EntryType::mention, "d/y")});
  finish();
  Names left = all_;
  left.erase("d/b");
  EXPECT_EQ(names(), left);
}

TEST_F(MirrorTest, WhatRulesLeaveOutStaysAndSoDoesItsDirectory) {
  reopen({.rules = {"+ x", "- z", "- /x"}});
  announce(source_);
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "more", "more/deep", "more/deep/z", "more/z"}));
  auto wrong = TargetMirror::open({.disk = *place_.disk,
                                   .root = place_.root,
                                   .zone = place_.zone->directory(),
                                   .scratch_name = "scratch.wrong",
                                   .ask = {.rules = {"nonsense"}},
                                   .counters = counters_,
                                   .ended = ended_,
                                   .failed = {},
                                   .deleted = {}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::usage);
}

TEST_F(MirrorTest, ALimitHolds) {
  for (const std::uint64_t at_most : {0U, 1U, 3U}) {
    const std::size_t before = names().size();
    counters_.over = 0;
    reopen({.at_most = at_most});
    announce(source_);
    finish();
    EXPECT_EQ(names().size(), before - at_most);
    EXPECT_GT(counters_.over, 0U);
  }
  counters_.over = 0;
  reopen({.at_most = 2});
  announce(source_);
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b"})) << "as many as may go";
  EXPECT_EQ(counters_.over, 0U);
}

TEST_F(MirrorTest, LinksMountsAndLandingZonesStay) {
  place_.fs.put_dir("outside");
  place_.put("outside/kept", "kept");
  place_.fs.put_symlink("target/link", "../outside");
  place_.fs.put_dir("target/mounted");
  place_.fs.mount("target/mounted");
  place_.put("target/mounted/kept", "kept");
  place_.fs.put_dir("target/inner/.longhaul");
  place_.put("target/inner/.longhaul/manifest", "of another");
  place_.put("target/inner/x", "x");
  announce(source_);
  announce({directory("mounted"), directory("link")});  // what stands there is not what the source has
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "inner", "link", "mounted", "mounted/kept"}));
  EXPECT_TRUE(place_.fs.content("target/inner/.longhaul/manifest"));
  EXPECT_TRUE(place_.fs.content("outside/kept"));
  EXPECT_EQ(counters_.mounts_kept, 1U);
  reopen();
  announce(source_);
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "inner", "mounted", "mounted/kept"}));
  EXPECT_TRUE(place_.fs.content("outside/kept"));
}

TEST_F(MirrorTest, NoSenderLooksIntoLandingZonesOrOutside) {
  place_.fs.put_dir("beside");
  place_.put("beside/kept", "kept");
  place_.put("target/.longhaul/landing/kept.part", "kept");
  place_.fs.put_dir("target/d/.longhaul");
  place_.put("target/d/.longhaul/kept", "kept");
  announce({directory(".longhaul"), directory(".longhaul/landing"), directory("d/.longhaul"), directory("../beside"),
            directory("d/../../beside"), directory("/beside")});
  finish();
  EXPECT_TRUE(deleted_.empty());
  for (const char* name : {"beside/kept", "target/.longhaul/landing/kept.part", "target/d/.longhaul/kept"})
    EXPECT_TRUE(place_.fs.content(name)) << name;
}

TEST_F(MirrorTest, ADryRunOnlyTells) {
  reopen({}, true);
  announce(source_);
  EXPECT_EQ(mirror_->make_room("x", *place_.disk->stat(place_.root, "x")), true);
  const auto before = place_.fs.tree("target");
  finish();
  EXPECT_EQ(place_.fs.tree("target"), before);
  EXPECT_EQ(counters_.directories, 2U);
  EXPECT_EQ(deleted_.size(), 7U) << "x is told twice: it was not announced";
}

TEST_F(MirrorTest, RoomIsMadeByAllOfADirectoryOrNothing) {
  const auto there = [&](const char* path) { return *place_.disk->stat(place_.root, path); };
  reopen({.rules = {"- deep/"}});
  EXPECT_EQ(mirror_->make_room("more", there("more")), false);
  EXPECT_EQ(names(), all_);
  reopen({.at_most = 3});
  EXPECT_EQ(mirror_->make_room("more", there("more")), false) << "over the limit";
  EXPECT_EQ(names(), all_);
  reopen();
  announce({file("more/z")});
  EXPECT_EQ(mirror_->make_room("more", there("more")), false) << "what another source has";
  EXPECT_EQ(names(), all_);
  reopen();
  announce({file("more"), directory("x")});
  EXPECT_EQ(mirror_->make_room("more", there("more")), true);
  EXPECT_EQ(mirror_->make_room("x", there("x")), true);
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "d/y"}));
  EXPECT_EQ(Names(deleted_.begin(), deleted_.end()), (Names{"more/deep/z", "more/deep/", "more/z", "more/", "x"}));
  EXPECT_EQ(deleted_.back(), "x");
}

TEST_F(MirrorTest, TheManifestForgetsFirst) {
  open_manifest();
  EXPECT_EQ(mirror_->make_room("x", *place_.disk->stat(place_.root, "x")), true);
  announce(source_);
  announce({directory("x")});
  // Power goes with the first file that is deleted at the end.
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "unlink" ? EIO : 0; };
  finish();
  place_.fs.fault = nullptr;
  EXPECT_EQ(failed_.size(), 5U) << "three files, and directories that are not empty";
  mirror_.reset();
  manifest_.reset();
  place_.fs.crash();
  EXPECT_EQ(forgotten(), (Names{"x", "d/y", "more/z", "more/deep/z"}));
}

/// A directory goes for what is no directory when that gets its name: whole or not at all, and back if that fails.
TEST_F(MirrorTest, WhatIsReplacedGoesByOneRename) {
  const auto there = [&](const char* path) { return *place_.disk->stat(place_.root, path); };
  place_.put("target/new", "new");
  const Names before = names();
  reopen({.rules = {"- deep/"}});
  EXPECT_EQ(mirror_->could_make_room("more", there("more")), false);
  EXPECT_EQ(mirror_->replace("more", name_new()), false);
  reopen({.at_most = 3});
  EXPECT_EQ(mirror_->could_make_room("more", there("more")), false) << "over the limit";
  EXPECT_EQ(mirror_->replace("more", name_new()), false);
  reopen({.at_most = 4});
  for (int again = 0; again < 2; ++again) EXPECT_EQ(mirror_->could_make_room("more", there("more")), true);
  const auto failed = mirror_->replace(
      "more", {.give = [](const auto&, auto) { return fail(Code::io, "broken"); }, .take_back = nullptr});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text, "broken");
  EXPECT_EQ(names(), before);
  EXPECT_TRUE(deleted_.empty());
  EXPECT_EQ(mirror_->replace("more", name_new()), true) << "only what has gone counts";
  EXPECT_EQ(mirror_->could_make_room("d", there("d")), false) << "and that does";
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "d/y", "more", "x"}));
  EXPECT_EQ(there("more").type, disk::FileType::file);
  EXPECT_EQ(Names(deleted_.begin(), deleted_.end()), (Names{"more/deep/z", "more/deep/", "more/z", "more/"}));
  EXPECT_EQ(counters_.files + counters_.directories, 4U);
  EXPECT_FALSE(trash_.remove_some(1)) << "nothing is left in it";
}

/// It stands at its name: whoever published it syncs, and tells. What was there stays in the trash until that is done.
TEST_F(MirrorTest, WhatFailsBehindThePublishIsNoFailureOfIt) {
  place_.put("target/new", "new");
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "sync_dir" ? EIO : 0; };
  EXPECT_EQ(mirror_->replace("more", name_new()), true);
  place_.fs.fault = nullptr;
  EXPECT_EQ(deleted_.size(), 4U);
  EXPECT_TRUE(trash_.remove_some(1));
}

TEST_F(MirrorTest, WhatIsNoDirectoryAnyMoreIsReplacedByTheNameAlone) {
  bool published = false;
  for (const char* name : {"x", "none"})
    EXPECT_EQ(mirror_->replace(name, {.give =
                                          [&](const auto&, auto) {
                                            published = true;
                                            return Result<>();
                                          },
                                      .take_back = nullptr}),
              true);
  EXPECT_TRUE(published);
  EXPECT_TRUE(deleted_.empty());
}

/// Power may go at any moment: the directory stands whole, or is nowhere, and the manifest has forgotten it by then.
TEST_F(MirrorTest, WhatIsReplacedIsForgottenFirst) {
  open_manifest();
  place_.put("target/new", "new");
  EXPECT_EQ(mirror_->replace("more", name_new()), true);
  mirror_.reset();
  manifest_.reset();
  place_.fs.crash();
  EXPECT_EQ(forgotten(), (Names{"more/z", "more/deep/z"}));
  const auto left = place_.disk->stat(place_.root, "more");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->type, disk::FileType::file);
}

/// Rules know the one source by its own name, or its content by none.
TEST_F(MirrorTest, RulesAreAboutNamesAtTheSource) {
  for (const auto& [at_target, at_source, rule] : std::vector<std::array<const char*, 3>>{{"more", "", "- /z"},
                                                                                          {"more", "data", "- data/z"},
                                                                                          {"more", "data", "- /data/z"},
                                                                                          {"more", "", "- /deep/**"}}) {
    SCOPED_TRACE(rule);
    reopen({.rules = {rule}, .name = OtherName(at_target, at_source)});
    announce({file("a"), directory("more"), of_type(EntryType::mention, "x")});
    const bool deep = std::string(rule).ends_with("**");
    finish();
    EXPECT_EQ(place_.exists("more/z"), !deep);
    EXPECT_EQ(place_.exists("more/deep/z"), deep);
    place_.fs.put_dir("target/more/deep");
    for (const char* name : {"more/z", "more/deep/z"}) place_.put(std::string("target/") + name, name);
  }
  const OtherName name("new", "data");
  EXPECT_EQ(name.at_source("new"), "data");
  EXPECT_EQ(name.at_source("new/x"), "data/x");
  EXPECT_EQ(name.at_source("newer/x"), "newer/x") << "not of this source";
  EXPECT_EQ(name.at_target("data/new"), "new/new");
  EXPECT_EQ(OtherName("new", "").at_source("new"), "");
  EXPECT_EQ(OtherName("new", "").at_target("x"), "new/x");
  EXPECT_EQ(OtherName().at_source("new/x"), "new/x");
}

TEST_F(MirrorTest, WhatWasGivenUpDeletesNothingMore) {
  announce(source_);
  ended_ = true;
  const auto finished = mirror_->finish(false);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, Code::interrupted);
  EXPECT_EQ(names(), all_);
}

TEST_F(MirrorTest, WhatCannotBeDeletedIsToldAndTheRestGoes) {
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "unlink" && point.path == "y" ? EROFS : 0;
  };
  announce(source_);
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "d/y"}));
  EXPECT_EQ(failed_, std::vector<std::string>{"d/y"});
}

TEST_F(MirrorTest, WhatIsDeletedBesideSomethingThatStaysIsSo) {
  reopen({.rules = {"- deep/"}});
  announce(source_);
  finish();
  place_.fs.crash();
  EXPECT_FALSE(place_.fs.look("target/more/z"));
  EXPECT_TRUE(place_.fs.look("target/more/deep/z"));
}

TEST_F(MirrorTest, DeepTreesGoWithFewDescriptors) {
  std::string path = "target/deep";
  for (int i = 0; i < 200; ++i) {
    place_.put(path + "/f" + std::to_string(i), "x");
    place_.put(path + "/z", "x");
    path += "/d";
  }
  announce(source_);
  finish();
  EXPECT_EQ(names(), (Names{"a", "d", "d/b"}));
  EXPECT_EQ(counters_.files, 404U);
  EXPECT_EQ(counters_.directories, 202U);
}

TEST_F(MirrorTest, DirectoriesOfSeveralSourcesAreCountedOnce) {
  reopen({}, true);
  announce(source_);
  announce(source_);
  finish();
  EXPECT_EQ(deleted_.size(), 6U);
}

/// By the desk: what stands in the way goes with the entry, the rest between links and directories' times.
TEST_F(MirrorTest, TheDeskDeletesBeforeDirectoriesGetTheirTimes) {
  const auto sink = directory_sink("target", false, true);
  IncomingFiles files(1, 262144);
  ReceiveCounters counters;
  Desk desk({*place_.disk,
             place_.random,
             place_.zone.get(),
             *sink,
             files,
             counters,
             protocol::node_bytes,
             false,
             "scratch.desk",
             false,
             {},
             mirror_.get()});
  ASSERT_TRUE(desk.open());
  const std::vector<Entry> entries = {directory(""),
                                      file("a"),
                                      directory("d"),
                                      file("d/b"),
                                      file("more"),
                                      directory("x"),
                                      of_type(EntryType::mention, "d/y")};
  std::uint64_t id = 0;
  for (const Entry& each : entries) {
    ASSERT_TRUE(mirror_->announced(each));
    const Decision decision = desk.decide(id++, each);
    EXPECT_NE(decision.verdict.action(), protocol::Verdict::REFUSE) << decision.verdict.text();
  }
  EXPECT_TRUE(place_.exists("more/deep/z")) << "more is on its way, and may yet fail";
  const auto late = desk.finish(false);
  ASSERT_TRUE(late) << late.error().text;
  EXPECT_EQ(late->count, 0U);
  EXPECT_EQ(names(), (Names{"a", "d", "d/b", "d/y", "more", "more/deep", "more/deep/z", "more/z", "x"}));
  EXPECT_EQ(place_.disk->stat(place_.root, "x")->type, disk::FileType::directory);
  EXPECT_EQ(place_.disk->stat(place_.root, "")->mtime_ns, 5);
  std::vector<disk::DirEntry> left;
  ASSERT_TRUE((*place_.disk->open_stream(place_.zone->directory(), 0))->next(left, 100));
  EXPECT_TRUE(std::ranges::none_of(left, [](const auto& each) { return each.name.starts_with("scratch."); }));
}

}  // namespace
}  // namespace longhaul::engine
