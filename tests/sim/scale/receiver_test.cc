// The receiver's side at scale: journals, group commit and root digests of a petabyte, the manifest, the directories.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "chunk/digest_tree.h"
#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "engine/commit.h"
#include "engine/landing_ops.h"
#include "hollow_disk.h"
#include "journal/entry_log.h"
#include "journal/manifest.h"
#include "meter.h"
#include "protocol/bounds.h"
#include "sim_disk.h"

namespace longhaul::sim {
namespace {

using engine::InChunk;
using engine::InFile;
using protocol::leaf_bytes;
using protocol::leaves_per_frame_max;
using protocol::leaves_per_node;
using protocol::node_bytes;

constexpr std::uint64_t terabyte = 1'000'000'000'000;

/// A leaf's digest, as if its content were its place.
Digest leaf_digest(std::uint64_t file, std::uint64_t leaf) {
  Digest digest;
  store(digest.bytes.data(), leaf + 1);
  store(digest.bytes.data() + 8, file + 1);
  return digest;
}

/// Files of a terabyte land in chunks, several at once: the real commit, journals and landing zone on a disk that keeps
/// names and journals, and of content nothing.
class Landings final : private engine::CommitEvents {
 public:
  Landings(std::uint64_t files, std::uint64_t chunk_bytes) : files_(files), chunk_bytes_(chunk_bytes) {
    fs_.delay_max = 0;
    fs_.put_dir("target");
    root_ = *disk_.open_root("target");
    zone_ = *journal::LandingZone::open(disk_, root_);
    manifest_ = *journal::ManifestLog::open(disk_, zone_->directory(), "manifest.test.log");
    commit_ =
        std::make_unique<engine::Commit>(data_disk_, *zone_, *manifest_, static_cast<CommitEvents&>(*this), together_);
  }

  void run() {
    const double begun = cpu_seconds();
    while (published_ < files_ && !testing::Test::HasFailure()) {
      while (open_.size() < open_at_once && begun_ < files_) begin_file();
      for (auto& [id, landing] : open_) land_chunk(landing);
      clock_.advance(millisecond);
      commit_now(++turns_ % turns_per_group == 0);
      memory_.progress(published_, files_);
    }
    report(cpu_seconds() - begun);
  }

 private:
  static constexpr std::size_t open_at_once = 8;
  static constexpr std::uint64_t turns_per_group = 16;
  struct Landing {
    std::shared_ptr<InFile> file;
    std::uint64_t next = 0;
    std::uint64_t durable = 0;
  };

  void begin_file() {
    const std::uint64_t id = begun_++;
    auto file = std::make_shared<InFile>();
    file->id = id;
    file->name = file->entry.path = fmt::format("sample-{:05}.dat", id);
    file->entry.size = terabyte;
    file->entry.mtime_ns = 1234;
    file->entry.identity = {1, id + 1, 1};
    file->parent = root_;
    file->landing = engine::Landing::journalled;
    file->chunk_bytes = chunk_bytes_;
    auto landing = zone_->begin_large(file->entry, root_, chunk_bytes_, false, random_);
    ASSERT_TRUE(landing) << landing.error().text;
    file->landing_file = std::move(*landing);
    file->zone = file->landing_file.zone;
    open_[id] = {.file = std::move(file), .next = 0, .durable = 0};
  }

  [[nodiscard]] std::uint64_t chunks() const { return (terabyte + chunk_bytes_ - 1) / chunk_bytes_; }

  /// The next chunk of it, frame by frame, as workers would have it.
  void land_chunk(Landing& landing) {
    if (landing.next == chunks()) return;
    const std::uint64_t index = landing.next++;
    const std::uint64_t bytes = engine::chunk_content_bytes(terabyte, chunk_bytes_, index);
    const std::uint64_t leaves = chunk::leaves_of(bytes);
    const auto frames = static_cast<unsigned>((leaves + leaves_per_frame_max - 1) / leaves_per_frame_max);
    auto chunk = std::make_shared<InChunk>(landing.file, index, frames);
    std::array<Digest, leaves_per_frame_max> digests;
    for (unsigned frame = 0; frame < frames; ++frame) {
      const std::uint64_t first = frame * leaves_per_frame_max;
      const std::size_t count = std::min<std::uint64_t>(leaves_per_frame_max, leaves - first);
      for (std::size_t i = 0; i < count; ++i)
        digests[i] = leaf_digest(landing.file->id, index * chunk_bytes_ / leaf_bytes + first + i);
      EXPECT_EQ(chunk->claims.claim(frame, std::span(digests).first(count)), engine::FrameClaims::Answer::won);
      chunk->claims.done(frame);
    }
    landing.file->chunks[index] = chunk;
    commit_->add_chunk(std::move(chunk), clock_.now());
  }

  void commit_now(bool flush) {
    (void)commit_->step(clock_.now(), flush);
    while (disk::Operation* done = data_disk_.reap()) {
      commit_->completed(*done);
      (void)commit_->step(clock_.now(), false);
    }
  }

  void chunk_durable(const std::shared_ptr<InFile>& file, std::uint64_t) override {
    Landing& landing = open_.at(file->id);
    if (++landing.durable == chunks()) commit_->add_finished(file, clock_.now());
  }
  void published(const std::shared_ptr<InFile>& file, const std::shared_ptr<engine::InBundle>&) override {
    EXPECT_EQ(file->durable.runs(), 1U);
    EXPECT_TRUE(file->chunks.empty());
    EXPECT_TRUE(disk_.unlink(root_, file->name));  // the file system that is made up shall not grow either
    open_.erase(file->id);
    ++published_;
  }
  Result<> displace(const engine::InFile& file, const journal::Naming&) override {
    ADD_FAILURE() << file.name << " displaces a directory";
    return {};
  }
  void landing_lost(const std::shared_ptr<InFile>&, const std::shared_ptr<engine::InBundle>&, Error error) override {
    ADD_FAILURE() << error.text;
  }
  void publish_failed(const std::shared_ptr<InFile>&, const std::shared_ptr<engine::InBundle>&, Error error) override {
    ADD_FAILURE() << error.text;
  }
  void left_alone(const std::shared_ptr<InFile>& file, const std::shared_ptr<engine::InBundle>&) override {
    ADD_FAILURE() << file->name;
  }
  void kept_lost(const std::string&, Error error) override { ADD_FAILURE() << error.text; }
  void commit_failed(Error error) override { ADD_FAILURE() << error.text; }

  /// Every root digest in the manifest's log is the one of the leaves that landed; and what it took.
  void report(double cpu_s) {
    const std::uint64_t growth = memory_.growth();
    const std::uint64_t peak = MemoryMark::peak();
    std::uint64_t records = 0;
    const std::uint64_t look_every = std::max<std::uint64_t>(1, files_ / 8);
    auto read = journal::read_manifest(disk_, zone_->directory(), "manifest.test.log", true, [&](const auto& record) {
      const auto id = std::strtoull(record.path.c_str() + 7, nullptr, 10);
      if (records++ % look_every == 0) {
        EXPECT_EQ(record.root, root_of(id)) << record.path;
      }
      return true;
    });
    EXPECT_TRUE(read);
    EXPECT_EQ(records, files_);
    if (!sanitized) {
      EXPECT_LE(growth, 16 * mib);  // journals live in this process here, and leave holes in its heap
      EXPECT_LE(peak, 128 * mib);
    }
    const double nodes = static_cast<double>(files_ * chunk::nodes_of(terabyte));
    std::cout << fmt::format(
        "journals and commit: {} files, {} TB, chunks of {} MiB: {:.0f} records in {:.1f} s of CPU, {:.0f} a second, "
        "{:.0f} ns each; {:.1f} TB a second\n  peak {:.1f} MiB, {:.1f} MiB of it after the first tenth\n",
        files_, files_, chunk_bytes_ / mib, nodes, cpu_s, nodes / cpu_s, cpu_s * 1e9 / nodes,
        static_cast<double>(files_) / cpu_s, static_cast<double>(peak) / mib, static_cast<double>(growth) / mib);
  }

  static Digest root_of(std::uint64_t file) {
    chunk::RootDigest root;
    std::array<Digest, leaves_per_node> leaves;
    const std::uint64_t all = chunk::leaves_of(terabyte);
    for (std::uint64_t first = 0; first < all; first += leaves_per_node) {
      const std::size_t count = std::min<std::uint64_t>(leaves_per_node, all - first);
      for (std::size_t i = 0; i < count; ++i) leaves[i] = leaf_digest(file, first + i);
      root.add_node(chunk::node_digest(std::span(leaves).first(count)));
    }
    return root.finish(terabyte);
  }

  std::uint64_t files_;
  std::uint64_t chunk_bytes_;
  SimClock clock_;
  Trace trace_{clock_};
  SimFileSystem fs_{clock_, trace_, 1};
  SimRandom random_{2};
  HollowDisk disk_{fs_.make_disk("receiver")};
  HollowDisk data_disk_{fs_.make_disk("receiver")};
  disk::DirPtr root_;
  std::unique_ptr<journal::LandingZone> zone_;
  std::unique_ptr<journal::ManifestLog> manifest_;
  std::atomic<bool> together_ = false;
  std::unique_ptr<engine::Commit> commit_;
  std::map<std::uint64_t, Landing> open_;
  std::uint64_t begun_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t turns_ = 0;
  MemoryMark memory_;
};

TEST(ReceiverAtScale, JournalsOfAPetabyte) {
  Landings(scale_full ? 1000 : 12, 64 * mib).run();
}

TEST(ReceiverAtScale, JournalsOfSmallerChunks) {
  Landings(scale_full ? 100 : 9, node_bytes).run();
}

/// A real directory for files that are too large to be made up.
class RealDirectory {
 public:
  RealDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-scale-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
    root = *disk->open_root(path_);
  }
  ~RealDirectory() { std::filesystem::remove_all(path_); }
  RealDirectory(const RealDirectory&) = delete;
  RealDirectory& operator=(const RealDirectory&) = delete;

  std::unique_ptr<disk::Disk> disk = disk::make_system_disk(nullptr);
  disk::DirPtr root;

 private:
  std::string path_;
};

/// In an order that is none: multiplication by an odd number visits each of 2^k once.
std::uint64_t shuffled(std::uint64_t number, std::uint64_t of) {
  std::uint64_t mask = 1;
  while (mask < of) mask *= 2;
  do number = (number * 0x9e3779b97f4a7c15ULL + 1) & (mask - 1);
  while (number >= of);
  return number;
}

TEST(ReceiverAtScale, TheManifestOfManyFiles) {
  const std::uint64_t files = scale_full ? scale_records : 300'000;
  RealDirectory place;
  MemoryMark memory;
  const double begun = cpu_seconds();
  const auto log = journal::ManifestLog::open(*place.disk, place.root, "manifest.1.log");
  ASSERT_TRUE(log);
  std::vector<std::byte> buffer;
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; i < files; ++i) {
    number = shuffled(number, files);
    journal::encode_manifest_record({fmt::format("run-{:05}/sample-{:09}.dat", number / 10'000, number), number, 1, {}},
                                    buffer);
    if (buffer.size() < mib && i + 1 < files) continue;
    ASSERT_TRUE(disk::write_now(*place.disk, (*log)->file(), (*log)->end_offset(), buffer));
    (*log)->written(buffer.size());
    buffer.clear();
    memory.progress(i, files);
  }
  const double merge_begun = cpu_seconds();
  const auto merged = journal::merge_manifest(*place.disk, place.root, place.root, "manifest.1.log");
  ASSERT_TRUE(merged) << merged.error().text;
  const double read_begun = cpu_seconds();
  std::uint64_t next = 0;
  const auto read = journal::read_manifest(*place.disk, place.root, "manifest", false, [&](const auto& record) {
    EXPECT_EQ(record.size, next);
    return record.size == next++;
  });
  const double ended = cpu_seconds();
  EXPECT_TRUE(read);
  EXPECT_EQ(next, files);
  if (!sanitized) {
    EXPECT_LE(MemoryMark::peak(), 128 * mib);
  }
  const double per = 1e9 / static_cast<double>(files);
  std::cout << fmt::format(
      "manifest of {} files: {:.0f} ns a record to append, {:.0f} ns to sort and merge, {:.0f} ns to read: {:.1f} s of "
      "CPU; peak {:.1f} MiB\n",
      files, (merge_begun - begun) * per, (read_begun - merge_begun) * per, (ended - read_begun) * per, ended - begun,
      static_cast<double>(MemoryMark::peak()) / mib);
}

TEST(ReceiverAtScale, AMillionDirectories) {
  const std::uint64_t directories = scale_full ? 10'000'000 : 1'000'000;
  RealDirectory place;
  MemoryMark memory;
  const double begun = cpu_seconds();
  const auto log = journal::EntryLog::create(*place.disk, place.root, "directories");
  ASSERT_TRUE(log);
  for (std::uint64_t i = 0; i < directories; ++i) {
    ASSERT_TRUE((*log)->append({.type = EntryType::directory,
                                .path = fmt::format("run-{:09}/raw", i),
                                .mode = 0755,
                                .mtime_ns = static_cast<std::int64_t>(i)}));
    memory.progress(i, directories);
  }
  std::uint64_t left = directories;
  EXPECT_TRUE((*log)->read_backwards([&](const Entry& record) {
    if (record.mtime_ns != static_cast<std::int64_t>(--left)) ADD_FAILURE() << record.path;
  }));
  EXPECT_EQ(left, 0U);
  if (!sanitized) {
    EXPECT_LE(memory.growth(), 2 * mib);
  }
  std::cout << fmt::format("{} directories: {:.0f} ns each to append and read back; peak {:.1f} MiB\n", directories,
                           (cpu_seconds() - begun) * 1e9 / static_cast<double>(directories),
                           static_cast<double>(MemoryMark::peak()) / mib);
}

}  // namespace
}  // namespace longhaul::sim
