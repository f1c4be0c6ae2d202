#include "engine/delta.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"
#include "chunk/digest_tree.h"
#include "engine/assay.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::uint64_t frame_bytes = protocol::frame_bytes_max;
constexpr std::uint64_t frames_per_node = protocol::node_bytes / frame_bytes;

TEST(FrameKey, TellsContentApartByEitherDigest) {
  const std::string one(1000, 'a');
  const std::string other(1000, 'b');
  const auto key = [](Delta delta, const std::string& text) {
    const Digest leaf = digest_of(bytes_of(text));
    return frame_key(delta, bytes_of(text), {&leaf, 1});
  };
  for (const Delta delta : {Delta::sha256, Delta::xxh3}) {
    EXPECT_EQ(key(delta, one), key(delta, one));
    EXPECT_NE(key(delta, one), key(delta, other));
    EXPECT_NE(key(delta, one), FrameKey{}) << "which means that there is nothing to compare with";
  }
  EXPECT_EQ(to_hex(key(Delta::sha256, "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

protocol::OldChunk told(std::uint64_t chunk, std::size_t keys, bool last = false) {
  protocol::OldChunk message;
  message.set_chunk(chunk);
  message.set_keys(std::string(keys * sizeof(FrameKey), 'k'));
  message.set_last(last);
  return message;
}

TEST(OlderVersion, AChunkWaitsUntilItsKeysHaveCome) {
  OlderVersion older;
  EXPECT_FALSE(older.knows(0));
  EXPECT_TRUE(older.take(told(1, 8), 10));  // chunk 0 is durable
  EXPECT_FALSE(older.knows(0));
  EXPECT_TRUE(older.knows(1));
  EXPECT_EQ(older.keys_of(1)->size(), 8U);
  EXPECT_EQ(older.keys_of(1), nullptr) << "once";
  EXPECT_FALSE(older.knows(2));
  EXPECT_TRUE(older.take(told(2, 3, true), 10));
  EXPECT_TRUE(older.knows(2));
  EXPECT_TRUE(older.knows(9));
  EXPECT_EQ(older.keys_of(9), nullptr);
}

TEST(OlderVersion, RefusesWhatMakesNoSense) {
  OlderVersion older;
  EXPECT_FALSE(older.take(told(10, 8), 10)) << "behind the file's end";
  protocol::OldChunk odd = told(0, 1);
  odd.mutable_keys()->push_back('k');
  EXPECT_FALSE(older.take(odd, 10)) << "half a key";
  EXPECT_FALSE(older.take(told(0, 4096), 10)) << "more frames than a chunk can have";
  EXPECT_TRUE(older.take(told(3, 8), 10));
  EXPECT_FALSE(older.take(told(3, 8), 10)) << "twice";
  EXPECT_FALSE(older.take(told(2, 8), 10)) << "out of order";
  EXPECT_TRUE(older.take(told(4, 0, true), 10));
  EXPECT_FALSE(older.take(told(5, 8), 10)) << "behind the last";
}

TEST(OlderVersion, KeepsNoMoreThanItSays) {
  OlderVersion older;
  constexpr std::size_t per_chunk = 1024;
  std::uint64_t chunk = 0;
  for (; chunk < OlderVersion::frames_max / per_chunk; ++chunk) ASSERT_TRUE(older.take(told(chunk, per_chunk), 1000));
  EXPECT_FALSE(older.take(told(chunk, 1), 1000));
  EXPECT_NE(older.keys_of(0), nullptr);
  EXPECT_TRUE(older.take(told(chunk, per_chunk), 1000)) << "room again";
}

class AssayTest : public ::testing::Test {
 protected:
  std::shared_ptr<InFile> older(std::uint64_t id, std::uint64_t older_bytes, std::uint64_t new_bytes) {
    const std::string name = "file " + std::to_string(id);
    std::string text(older_bytes, 'x');
    for (std::size_t at = 0; at < text.size(); at += 4096) text[at] = static_cast<char>('a' + at / frame_bytes % 26);
    place_.put("target/" + name, text);
    auto file = std::make_shared<InFile>();
    file->id = id;
    file->entry.path = name;
    file->entry.size = new_bytes;
    file->chunk_bytes = protocol::node_bytes;
    file->older = *place_.disk->open_file(place_.root, name, disk::Open::read, false);
    file->older_bytes = older_bytes;
    files_.add(file);
    assay_.add(file);
    return file;
  }
  static constexpr std::uint64_t chunks_ahead = 4;
  void run() {
    for (int steps = 0; assay_.step(); ++steps) ASSERT_LT(steps, 100'000);
  }

  Place place_;
  IncomingFiles files_{1, frame_bytes};
  std::vector<protocol::OldChunk> told_;
  Assay assay_{*place_.disk, files_, Delta::sha256,
               [this](const protocol::Message& message) { told_.push_back(message.old_chunk()); },
               chunks_ahead* protocol::node_bytes};
};

TEST_F(AssayTest, TellsEachChunkThatIsNotDurableAndThenTheEnd) {
  const auto file = older(7, 3 * protocol::node_bytes + 5, 4 * protocol::node_bytes);
  file->durable.add(1);
  run();
  ASSERT_EQ(told_.size(), 4U);
  const std::vector<std::uint64_t> chunks = {told_[0].chunk(), told_[1].chunk(), told_[2].chunk()};
  EXPECT_EQ(chunks, (std::vector<std::uint64_t>{0, 2, 3}));
  EXPECT_EQ(told_[0].keys().size(), frames_per_node * sizeof(FrameKey));
  EXPECT_EQ(told_[2].keys().size(), sizeof(FrameKey)) << "as far as the older version goes";
  EXPECT_TRUE(told_[3].last());
  EXPECT_EQ(told_[3].keys().size(), 0U);
  std::string first(frame_bytes, 'x');
  for (std::size_t at = 0; at < first.size(); at += 4096) first[at] = 'a';
  EXPECT_EQ(told_[0].keys().substr(0, sizeof(FrameKey)), text_of(security::sha256_of({bytes_of(first)})));
}

TEST_F(AssayTest, GoesNoFurtherThanTheNewVersion) {
  older(7, 3 * protocol::node_bytes, protocol::node_bytes + 1);
  run();
  ASSERT_EQ(told_.size(), 3U);
  EXPECT_EQ(told_[1].keys().size(), sizeof(FrameKey));
}

TEST_F(AssayTest, WhatCannotBeReadIsSentWhole) {
  older(7, 2 * protocol::node_bytes, 2 * protocol::node_bytes);
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "read" && point.offset >= protocol::node_bytes + 2 * frame_bytes ? EIO : 0;
  };
  run();
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_FALSE(told_[0].last());
  EXPECT_TRUE(told_[1].last());
  EXPECT_EQ(told_[1].keys().size(), 2 * sizeof(FrameKey)) << "what could be read";
  older(8, protocol::node_bytes, protocol::node_bytes);
  run();
  EXPECT_EQ(told_.back().file(), 8U) << "and the next one follows";
}

TEST_F(AssayTest, StaysNearWhatIsDurable) {
  const auto file = older(7, 10 * protocol::node_bytes, 10 * protocol::node_bytes);
  run();
  EXPECT_EQ(told_.size(), chunks_ahead);
  file->durable.add(1);
  run();
  EXPECT_EQ(told_.size(), chunks_ahead) << "chunk 0 is still under way";
  file->durable.add(0);
  run();
  EXPECT_EQ(told_.size(), chunks_ahead + 2);
}

TEST_F(AssayTest, AFileThatIsGivenUpIsNotReadToItsEnd) {
  const auto file = older(7, 20 * protocol::node_bytes, 20 * protocol::node_bytes);
  for (int step = 0; step < 20; ++step) EXPECT_TRUE(assay_.step());
  files_.remove(file->id);
  run();
  EXPECT_LE(told_.size(), 3U);
}

}  // namespace
}  // namespace longhaul::engine
