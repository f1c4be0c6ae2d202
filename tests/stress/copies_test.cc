// Every chunk and bundle comes on every stream at once: workers of both ends and the storage role, on real threads,
// connections and disks, meet in the same files, chunks, claims and bundles as often as they can. In a session copies
// are rare - a path that crawls, a stream that was lost - and the locks between workers have little to do.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <future>
#include <latch>
#include <map>
#include <mutex>
#include <thread>

#include "disk/system_disk.h"
#include "engine/bundle_packer.h"
#include "engine/landing_ops.h"
#include "engine/storage.h"
#include "engine/worker.h"
#include "protocol/bounds.h"
#include "stress/effort.h"
#include "stress/trees.h"
#include "wire/tcp.h"

namespace longhaul::engine {
namespace {

using stress::content_for;
using stress::content_of;
using stress::left_in_landing_zone;
using stress::rounds;
using stress::Scratch;
using stress::Watchdog;
using Contents = std::map<std::string, std::vector<std::byte>>;

constexpr std::uint32_t transfer = 1;
constexpr std::uint32_t frame_bytes = protocol::leaf_bytes;  // the smallest: many frames a chunk
constexpr unsigned streams = 4;
constexpr unsigned workers = 2;  // at each end

/// Small files for bundles; files of one chunk and a few frames, whose first frames race to make the landing file; and
/// one of three chunks with a journal.
Contents make_contents(unsigned seed) {
  Contents contents;
  for (unsigned i = 0; i < 200; ++i) contents["small" + std::to_string(i)] = content_for(i * 61, seed + i);
  for (unsigned i = 0; i < 40; ++i) contents["middle" + std::to_string(i)] = content_for(300'000 + i * 9'999, seed + i);
  contents["large"] = content_for(20'000'001, seed);
  return contents;
}

class MadeUpSource final : public Source {
 public:
  explicit MadeUpSource(const Contents& contents) : contents_(contents) {}
  Result<bool> next(std::vector<Entry>&, std::vector<Error>&, std::size_t) override { return false; }
  Result<std::shared_ptr<Reader>> open(const Entry& entry) override {
    return std::make_shared<MadeUpReader>(contents_.at(entry.path));
  }

 private:
  struct MadeUpReader final : Reader {
    explicit MadeUpReader(const std::vector<std::byte>& from) : content(from) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
      const std::size_t bytes = std::min<std::size_t>(into.size(), content.size() - std::min(offset, content.size()));
      std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), bytes, into.begin());
      return bytes;
    }
    const std::vector<std::byte>& content;
  };
  const Contents& contents_;
};

/// Its members are plain: storage is one thread.
class MapSink final : public Sink {
 public:
  explicit MapSink(Contents& into) : into_(into) {}
  Result<std::shared_ptr<Writer>> create(const Entry& entry) override {
    return std::make_shared<MapWriter>(into_[entry.path]);
  }

 private:
  struct MapWriter final : Writer {
    explicit MapWriter(std::vector<std::byte>& to) : content(to) {}
    Result<> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      EXPECT_EQ(offset, content.size()) << "out of order, or twice";
      content.insert(content.end(), bytes.begin(), bytes.end());
      return {};
    }
    Result<> finish(std::uint64_t size) override {
      EXPECT_EQ(size, content.size());
      return {};
    }
    std::vector<std::byte>& content;
  };
  Contents& into_;
};

/// Workers at both ends, joined by streams, and a storage role behind them.
class Crowd final : private StreamEvents {
 public:
  Crowd(const Contents& contents, std::shared_ptr<Sink> sink)
      : contents_(contents), feed_(make_feed(std::make_unique<MadeUpSource>(contents))), packer_(transfer, feed_) {
    start_storage(std::move(sink));
    for (unsigned i = 0; i < workers; ++i) {
      senders_.push_back(&start_worker(i));
      receivers_.push_back(&start_worker(workers + i));
      const IncomingTransfer landing{storage_->files(), storage_->zone(), storage_};
      receivers_.back()->post([landing](Worker& each) { each.open_incoming(landing); });
    }
    for (std::uint32_t id = 1; id <= streams; ++id) connect(id);
  }

  ~Crowd() override { runner_.reset(); }  // waits for all roles, which use what is below
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Sends everything on all streams at once and returns when storage has all of it.
  void land() {
    announce();
    verdicts_.get_future().wait();
    std::uint64_t id = 0;
    for (const auto& [path, content] : contents_) send_file(id++, path);
    while (auto bundle = packer_.take()) {
      ChunkTask task;
      task.bundle = bundle;
      task.chunk = bundle->number;
      task.extent.bytes = bundle->bytes;
      give_to_all(task);
    }
    protocol::EndOfEntries end;
    end.set_entries(contents_.size());
    storage_->post([end](Storage& it) { it.end_of_entries(end); });
    complete_.get_future().wait();
    close();
  }

  [[nodiscard]] std::string problem() {
    const std::lock_guard lock(mutex_);
    return problem_;
  }
  [[nodiscard]] std::uint64_t published() const { return storage_->counters().files.load(); }

 private:
  void start_storage(std::shared_ptr<Sink> sink) {
    Storage::Setup setup;
    setup.transfer = transfer;
    setup.id = "0123456789abcdef";
    setup.sink = std::move(sink);
    setup.chunk_bytes = protocol::node_bytes;
    setup.frame_bytes = frame_bytes;
    setup.ready = [this] { ready_.set_value(); };
    setup.tell = [this](const protocol::Message& message) { told(message); };
    setup.failed = [this](Error error) {
      note(std::move(error));
      complete_.set_value();
    };
    setup.complete = [this] { complete_.set_value(); };
    setup.closed = [] {};
    storage_ = static_cast<Storage*>(
        &runner_->start([&](Kit kit) { return std::make_unique<Storage>(std::move(kit), world_, std::move(setup)); }));
    EXPECT_EQ(ready_.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready) << problem();
  }

  Worker& start_worker(unsigned number) {
    return static_cast<Worker&>(runner_->start(
        [&](Kit kit) { return std::make_unique<Worker>(std::move(kit), number, static_cast<StreamEvents&>(*this)); }));
  }

  void connect(std::uint32_t id) {
    auto listener = wire_->listen("127.0.0.1:0");
    auto dialled = wire_->dial({.remote = (*listener)->address()});
    std::unique_ptr<wire::Connection> accepted;
    while ((accepted = (*listener)->accept()) == nullptr) std::this_thread::yield();
    join(*senders_[id % workers], id, true, std::move(*dialled));
    join(*receivers_[id % workers], id, false, std::move(accepted));
  }

  static void join(Worker& worker, std::uint32_t id, bool sends, std::unique_ptr<wire::Connection> connection) {
    auto setup = std::make_shared<StreamSetup>();
    setup->id = id;
    setup->sends = sends;
    setup->channel = std::make_unique<wire::Channel>(std::move(connection));
    setup->counters = std::make_shared<StreamCounters>();
    worker.post([setup](Worker& it) { it.join(std::move(*setup)); });
  }

  void announce() {
    protocol::Announce batch;
    batch.set_transfer(transfer);
    for (const auto& [path, content] : contents_) {
      auto& entry = *batch.add_entries();
      entry.set_path(path);
      entry.set_size(content.size());
      entry.set_mode(0644);
      entry.set_mtime_ns(1);
    }
    storage_->post([batch](Storage& it) { it.announce(batch); });
  }

  void send_file(std::uint64_t id, const std::string& path) {
    Entry entry;
    entry.path = path;
    entry.size = contents_.at(path).size();
    if (entry.size <= protocol::bundled_bytes_max) return packer_.add(id, std::move(entry));
    auto file = std::make_shared<OutgoingFile>();
    file->transfer = transfer;
    file->id = id;
    file->feed = feed_;
    file->chunk_bytes = protocol::node_bytes;
    file->one_chunk = entry.size <= protocol::whole_bytes_max;
    file->entry = std::move(entry);
    for (std::uint64_t offset = 0; offset < file->entry.size; offset += file->chunk_bytes) {
      ChunkTask task;
      task.file = file;
      task.chunk = offset / file->chunk_bytes;
      task.extent = {offset, std::min(file->chunk_bytes, file->entry.size - offset)};
      give_to_all(task);
    }
    if (file->one_chunk) return;
    protocol::FileEnd end;
    end.set_transfer(transfer);
    end.set_file(id);
    end.set_size(file->entry.size);
    storage_->post([end](Storage& it) { it.file_end(end); });
  }

  void give_to_all(ChunkTask task) {
    task.frame_bytes = frame_bytes;
    for (std::uint32_t id = 1; id <= streams; ++id) {
      ++task.attempt;
      senders_[id % workers]->post([id, task](Worker& it) { it.assign(id, task); });
    }
  }

  /// As a session does it: workers let go first, then storage.
  void close() {
    storage_->files()->ended = true;
    std::atomic<unsigned> left{workers};
    std::promise<void> let_go;
    for (Worker* worker : receivers_) {
      worker->post([&](Worker& it) {
        it.close_incoming(transfer, [&] {
          if (left.fetch_sub(1) == 1) let_go.set_value();
        });
      });
    }
    let_go.get_future().wait();
    storage_->post([](Storage& it) { it.close(); });
    closing_ = true;
    for (Worker* worker : senders_) worker->post([](Worker& it) { it.stop(); });
    for (Worker* worker : receivers_) worker->post([](Worker& it) { it.stop(); });
  }

  // Storage's thread.
  void told(const protocol::Message& message) {
    if (message.has_file_failed()) note({Code::internal, message.file_failed().text(), 0});
    if (message.has_chunk_failed()) note({Code::internal, message.chunk_failed().text(), 0});
    if (!message.has_verdicts()) return;
    verdicts_seen_ += static_cast<std::size_t>(message.verdicts().verdicts_size());
    if (verdicts_seen_ == contents_.size()) verdicts_.set_value();
  }

  // Workers' threads.
  void stream_down(std::uint32_t, Error error) override {
    if (!closing_) note(std::move(error));
  }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load) override {}
  void source_failed(std::uint32_t, std::uint64_t, FileError failed) override { note(std::move(failed.error)); }

  void note(Error error) {
    const std::lock_guard lock(mutex_);
    if (problem_.empty()) problem_ = std::move(error.text);
  }

  const Contents& contents_;
  std::shared_ptr<Feed> feed_;
  BundlePacker packer_;
  std::mutex mutex_;
  std::string problem_;
  std::atomic<bool> closing_{false};
  std::size_t verdicts_seen_ = 0;
  std::promise<void> verdicts_;
  std::promise<void> ready_;
  std::promise<void> complete_;
  std::unique_ptr<wire::Wire> wire_ = wire::make_tcp_wire();
  Storage* storage_ = nullptr;
  std::vector<Worker*> senders_;
  std::vector<Worker*> receivers_;
  std::unique_ptr<Runner> runner_ = make_thread_runner();
  World world_{system_clock(), system_random(), *wire_, *runner_};
};

TEST(CopiesStress, OfEveryChunkOnEveryStreamIntoADirectory) {
  const Watchdog watchdog("copies into a directory");
  for (unsigned round = 0; round < rounds(5U, 2U); ++round) {
    const Scratch scratch;
    const auto target = scratch / "target";
    const Contents contents = make_contents(round);
    {
      Crowd crowd(contents, directory_sink(target.string()));
      crowd.land();
      EXPECT_EQ(crowd.problem(), "");
      EXPECT_EQ(crowd.published(), contents.size()) << "each file is published once";
    }
    EXPECT_EQ(left_in_landing_zone(target), "");
    for (const auto& [path, content] : contents) EXPECT_TRUE(content_of(target / path) == content) << path;
  }
}

TEST(CopiesStress, OfEveryChunkOnEveryStreamIntoMemory) {
  const Watchdog watchdog("copies into memory");
  for (unsigned round = 0; round < rounds(5U, 2U); ++round) {
    const Contents contents = make_contents(round);
    Contents came;
    {
      Crowd crowd(contents, std::make_shared<MapSink>(came));
      crowd.land();
      EXPECT_EQ(crowd.problem(), "");
      EXPECT_EQ(crowd.published(), contents.size());
    }
    EXPECT_TRUE(came == contents);
  }
}

/// The first frames of a file come on several workers at once: one of them makes the landing file, all write into it.
TEST(CopiesStress, OneLandingFileForAllWorkers) {
  const Scratch scratch;
  const auto disk = disk::make_system_disk(nullptr);
  std::filesystem::create_directory(scratch / "target");
  const auto root = disk->open_root((scratch / "target").string());
  ASSERT_TRUE(root) << root.error().text;
  const auto zone = journal::LandingZone::open(*disk, *root);
  ASSERT_TRUE(zone) << zone.error().text;
  constexpr unsigned threads_count = 3;
  for (unsigned round = 0; round < rounds(400U, 100U); ++round) {
    InFile file;
    file.entry.path = "file" + std::to_string(round);
    file.parent = *root;
    file.zone = *(*zone)->zone_for(*root, "");
    std::latch together(threads_count);
    std::array<disk::FilePtr, threads_count> got;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < threads_count; ++thread) {
      threads.emplace_back([&, thread] {
        const auto own_disk = disk::make_system_disk(nullptr);
        together.arrive_and_wait();
        const auto data = landing_data(*own_disk, **zone, file);
        EXPECT_TRUE(data) << data.error().text;
        if (data) got.at(thread) = *data;
      });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& each : got) EXPECT_EQ(each, got.front());
    EXPECT_TRUE((*zone)->drop(file.landing_file));
  }
}

}  // namespace
}  // namespace longhaul::engine
