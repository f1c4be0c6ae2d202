// Packed frames as a receiver meets them, sound and otherwise, in clear and sealed; and what a sender makes of its
// frames.
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>

#include "chunk/bundle.h"
#include "chunk/digest_tree.h"
#include "deaf_poller.h"
#include "engine/worker.h"
#include "golden/content.h"
#include "longhaul/source.h"
#include "pair.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using Buffer = std::vector<std::byte>;
using protocol::FrameHeader;

constexpr std::size_t file_bytes = 100'000;  // fits a bundle

Buffer text(std::size_t bytes) {
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>("0123456789abcdef"[(i * i / 97) % 16]);
  return out;
}

Buffer packed(ConstBytes raw) {
  Buffer out(ZSTD_compressBound(raw.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), raw.data(), raw.size(), 1));
  return out;
}

/// File 3, all of it in one frame.
FrameHeader file_header(ConstBytes raw) {
  FrameHeader header;
  header.transfer = 1;
  header.file = 3;
  header.flags = protocol::flag_compressed;
  header.raw_bytes = static_cast<std::uint32_t>(raw.size());
  header.leaf_count = 1;
  header.leaves[0] = digest_of(raw);
  return header;
}

struct BundleFrame {
  FrameHeader header;
  Buffer raw;
};

/// Files 3 and 4.
BundleFrame bundle_of(ConstBytes one, ConstBytes other, bool digests_right = true) {
  const std::vector<chunk::BundleRow> rows = {
      {.file = 3, .bytes = static_cast<std::uint32_t>(one.size()), .digest = chunk::file_digest(one)},
      {.file = 4,
       .bytes = static_cast<std::uint32_t>(other.size()),
       .digest = chunk::file_digest(digests_right ? other : one)}};
  BundleFrame frame;
  frame.raw.resize(chunk::bundle_table_bytes(rows.size()));
  frame.header.transfer = 1;
  frame.header.file = protocol::bundle_file;
  frame.header.chunk = 9;
  frame.header.flags = protocol::flag_bundle | protocol::flag_compressed;
  frame.header.leaf_count = 1;
  frame.header.leaves[0] = chunk::encode_bundle_table(rows, frame.raw);
  frame.raw.insert(frame.raw.end(), one.begin(), one.end());
  frame.raw.insert(frame.raw.end(), other.begin(), other.end());
  frame.header.raw_bytes = static_cast<std::uint32_t>(frame.raw.size());
  return frame;
}

security::Seals seals(bool dialler) {
  security::Secret secret;
  secret.fill(std::byte{7});
  return security::make_seals(Cipher::aes_256_gcm, secret, dialler);
}

class PackedStream : public ::testing::TestWithParam<bool>, protected StreamEvents, protected LandingEvents {
 protected:
  void SetUp() override {
    worker_ = std::make_unique<Worker>(
        Kit{std::make_unique<DeafPoller>(), std::move(place_.data_disk), std::move(place_.disk)}, 0,
        static_cast<StreamEvents&>(*this), WorkerSetup{.touch_memory = false});
    const bool sealed = GetParam();
    auto setup = std::make_shared<StreamSetup>();
    setup->id = 1;
    setup->channel = sealed ? std::make_unique<wire::Channel>(pair_.listener_end(2, 0), Buffer{}, seals(false))
                            : pair_.listener(2, 0);
    setup->counters = counters_;
    peer_ = sealed ? std::make_unique<wire::Channel>(pair_.dialler_end(), Buffer{}, seals(true)) : pair_.dialler();
    auto files = std::make_shared<IncomingFiles>(1, protocol::frame_bytes_max);
    files->announced(10);
    for (const std::uint64_t id : {3, 4}) {
      auto file = std::make_shared<InFile>();
      file->id = id;
      file->entry.path = "file";
      file->entry.size = file_bytes;
      file->chunk_bytes = protocol::node_bytes;
      file->landing = Landing::sink;
      files->add(file);
      files_.push_back(file);
    }
    worker_->post([this, setup, files](Worker& worker) {
      worker.open_incoming({files, nullptr, static_cast<LandingEvents*>(this)});
      worker.join(std::move(*setup));
    });
  }
  void TearDown() override {
    for (const auto& file : files_) file->chunks.clear();
  }

  void stream_down(std::uint32_t, Error error) override { down_ = error.text; }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load) override {}
  void source_failed(std::uint32_t, std::uint64_t, FileError) override {}
  void chunk_written(std::shared_ptr<InChunk> chunk) override { written_ = chunk->memory; }
  void landed(std::vector<LandedFile> files) override {
    for (const LandedFile& each : files) landed_.push_back(each.file->chunks.at(0)->memory);
  }
  void bundle_landed(std::shared_ptr<InBundle>) override {}
  void chunk_failed(std::shared_ptr<InFile>, std::uint64_t, std::uint32_t, Error error) override { failed_ = error; }
  void file_failed(std::shared_ptr<InFile>, std::shared_ptr<InBundle>, Error error) override { failed_ = error; }

  void send(FrameHeader header, ConstBytes payload) {
    header.wire_bytes = static_cast<std::uint32_t>(payload.size());
    Buffer frame(protocol::frame_header_bytes + payload.size() + protocol::seal_tag_bytes);
    const Bytes whole = Bytes(frame).first(protocol::frame_header_bytes + payload.size());
    protocol::encode_frame_header(header, whole.first<protocol::frame_header_bytes>());
    std::memcpy(frame.data() + protocol::frame_header_bytes, payload.data(), payload.size());
    peer_->begin_frame(whole);
    while (peer_->sending()) ASSERT_TRUE(peer_->flush());
    for (int steps = 0; steps < 5; ++steps) worker_->step(0);
  }
  void expect_damage() {
    ASSERT_TRUE(failed_);
    EXPECT_EQ(failed_->code, Code::corrupt) << failed_->text;
    EXPECT_NE(failed_->text.find(GetParam() ? "was packed wrongly" : "was damaged on its way"), std::string::npos)
        << failed_->text;
    EXPECT_NE(down_.find("damaged"), std::string::npos) << down_;
    EXPECT_TRUE(written_.empty() && landed_.empty()) << "nothing of it is kept";
    EXPECT_EQ(counters_->content_bytes, 0U);
  }

  Place place_;
  Pair pair_;
  std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();
  std::vector<std::shared_ptr<InFile>> files_;
  std::unique_ptr<wire::Channel> peer_;
  std::unique_ptr<Worker> worker_;
  std::string down_;
  std::optional<Error> failed_;
  Buffer written_;
  std::vector<Buffer> landed_;
};

TEST_P(PackedStream, AFrameOfAFileIsUnpackedAndCounted) {
  const Buffer raw = text(file_bytes);
  const Buffer on_the_wire = packed(raw);
  send(file_header(raw), on_the_wire);
  EXPECT_EQ(down_, "");
  EXPECT_TRUE(written_ == raw);
  const Carried carried = counters_->carried();
  EXPECT_EQ(carried.content_bytes, raw.size());
  EXPECT_EQ(carried.wire_bytes, on_the_wire.size());
  EXPECT_EQ(carried.packed_frames, 1U);
}

TEST_P(PackedStream, AFrameThatIsNotPackedCountsAsItIs) {
  const Buffer raw = text(file_bytes);
  FrameHeader header = file_header(raw);
  header.flags = 0;
  send(header, raw);
  EXPECT_TRUE(written_ == raw);
  EXPECT_EQ(counters_->wire_bytes, raw.size());
  EXPECT_EQ(counters_->packed_frames, 0U);
}

TEST_P(PackedStream, ABundleIsUnpackedAndCounted) {
  const BundleFrame frame = bundle_of(text(file_bytes), text(file_bytes));
  const Buffer on_the_wire = packed(frame.raw);
  send(frame.header, on_the_wire);
  EXPECT_EQ(down_, "");
  ASSERT_EQ(landed_.size(), 2U);
  EXPECT_TRUE(landed_[0] == text(file_bytes));
  EXPECT_TRUE(landed_[1] == text(file_bytes));
  EXPECT_EQ(counters_->content_bytes, 2 * file_bytes);
  EXPECT_EQ(counters_->wire_bytes, on_the_wire.size());
}

TEST_P(PackedStream, WhatDoesNotUnpackIsNotWritten) {
  const Buffer raw = text(file_bytes);
  Buffer on_the_wire = packed(raw);
  on_the_wire.pop_back();
  send(file_header(raw), on_the_wire);
  expect_damage();
}

TEST_P(PackedStream, WhatUnpacksToAnotherSizeIsNotWritten) {
  const Buffer raw = text(file_bytes);
  send(file_header(raw), packed(text(file_bytes + 1)));
  expect_damage();
}

/// The tag says that the peer has sealed it. That it is what was read, only the digest says.
TEST_P(PackedStream, WhatUnpacksToSomethingElseIsNotWritten) {
  const Buffer raw = text(file_bytes);
  Buffer other = raw;
  other[file_bytes / 2] ^= std::byte{1};
  send(file_header(raw), packed(other));
  expect_damage();
}

TEST_P(PackedStream, ABundleThatDoesNotUnpackIsNotWritten) {
  const BundleFrame frame = bundle_of(text(file_bytes), text(file_bytes));
  send(frame.header, test::content(1000));
  expect_damage();
}

TEST_P(PackedStream, ASmallFileThatUnpacksToSomethingElseIsNotWritten) {
  const BundleFrame frame = bundle_of(text(file_bytes), test::content(file_bytes), false);
  send(frame.header, packed(frame.raw));
  expect_damage();
}

INSTANTIATE_TEST_SUITE_P(InClearAndSealed, PackedStream, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Sealed" : "InClear"; });

// --- the sender ------------------------------------------------------------------------------------------------------

class PackingWorker : public ::testing::Test, protected StreamEvents {
 protected:
  void stream_down(std::uint32_t, Error error) override { down_ = error.text; }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load) override {}
  void source_failed(std::uint32_t, std::uint64_t, FileError) override {}

  class Content final : public Reader {
   public:
    explicit Content(Buffer content) : content_(std::move(content)) {}
    Result<std::size_t> read_at(std::uint64_t offset, Bytes into) override {
      std::memcpy(into.data(), content_.data() + offset, into.size());
      return into.size();
    }

   private:
    Buffer content_;
  };

  /// A file, sent for a second to a peer that takes `reads` bytes each millisecond; 0: any number, at once.
  void send(const Compression& wish, Buffer content, std::size_t reads) {
    if (reads > 0) pair_.to_listener.capacity = 300'000;
    worker_ = std::make_unique<Worker>(
        Kit{std::make_unique<DeafPoller>(), std::move(place_.data_disk), std::move(place_.disk)}, 0,
        static_cast<StreamEvents&>(*this), WorkerSetup{false, wish, &place_.clock});
    auto file = std::make_shared<OutgoingFile>();
    file->feed = make_feed(memory_source("file", {}));
    file->chunk_bytes = 2 * protocol::node_bytes;
    ChunkTask task;
    task.extent = {0, content.size()};
    task.frame_bytes = protocol::leaf_bytes;
    file->content.reader = std::make_shared<Content>(std::move(content));
    task.file = file;
    auto setup = std::make_shared<StreamSetup>();
    setup->id = 2;
    setup->sends = true;
    setup->channel = pair_.dialler(1, 0);
    setup->counters = counters_;
    worker_->post([setup, task](Worker& worker) {
      worker.join(std::move(*setup));
      worker.assign(2, task);
    });
    for (Time at = 0; at < second; at += millisecond) {
      place_.clock.advance(millisecond);
      for (int steps = 0; steps < 3; ++steps) worker_->step(place_.clock.now());
      auto& bytes = pair_.to_listener.bytes;
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(reads, bytes.size())));
    }
    EXPECT_EQ(down_, "");
  }

  Place place_;
  Pair pair_;
  std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();
  std::unique_ptr<Worker> worker_;
  std::string down_;
};

constexpr std::size_t forty_frames = 40 * protocol::leaf_bytes;

TEST_F(PackingWorker, AlwaysPacksWhatShrinks) {
  send({Compression::Mode::always, 1}, text(forty_frames), 0);
  EXPECT_EQ(counters_->packed_frames, 40U);
  EXPECT_EQ(counters_->content_bytes, forty_frames);
  EXPECT_LT(counters_->wire_bytes, forty_frames / 2);
  EXPECT_EQ(counters_->futile_frames, 0U);
}

TEST_F(PackingWorker, WhatDoesNotShrinkGoesAsItIs) {
  send({Compression::Mode::always, 1}, test::content(forty_frames), 0);
  EXPECT_EQ(counters_->packed_frames, 0U);
  EXPECT_EQ(counters_->wire_bytes, forty_frames);
  EXPECT_GT(counters_->futile_frames, 0U);
  EXPECT_LT(counters_->futile_frames, 8U) << "it is left alone soon";
}

TEST_F(PackingWorker, NothingIsPackedThatNobodyAskedFor) {
  send({}, text(forty_frames), 10'000);
  EXPECT_EQ(counters_->packed_frames, 0U);
  EXPECT_EQ(counters_->futile_frames, 0U);
}

TEST_F(PackingWorker, AutomaticPacksForAPathThatLimits) {
  send({.mode = Compression::Mode::automatic}, text(forty_frames), 5'000);
  EXPECT_EQ(counters_->content_bytes, forty_frames) << "packed, it is through";
  EXPECT_GT(counters_->packed_frames, 35U) << "all but the first, which filled the connection";
}

TEST_F(PackingWorker, AutomaticLeavesAFastPathAlone) {
  send({.mode = Compression::Mode::automatic}, text(forty_frames), 0);
  EXPECT_EQ(counters_->content_bytes, forty_frames);
  EXPECT_EQ(counters_->packed_frames, 0U);
}

}  // namespace
}  // namespace longhaul::engine
