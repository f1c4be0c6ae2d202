#include "engine/announce_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::uint64_t large_bytes = protocol::whole_bytes_max + 1;
constexpr AnnounceRoom all = {};
constexpr AnnounceRoom no_large = {.small = true, .large = false, .other = true};
constexpr AnnounceRoom no_small = {.small = false, .large = true, .other = true};

Entry entry(EntryType type, std::string path, std::uint64_t size = 0) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.size = size;
  return entry;
}
Entry small(std::string path) {
  return entry(EntryType::file, std::move(path), 7);
}
Entry large(std::string path) {
  return entry(EntryType::file, std::move(path), large_bytes);
}
Entry directory(std::string path) {
  return entry(EntryType::directory, std::move(path));
}

std::vector<std::string> taken(AnnounceQueue& queue, const AnnounceRoom& room) {
  std::vector<std::string> paths;
  while (const auto next = queue.take(room)) paths.push_back(next->path);
  return paths;
}
using Paths = std::vector<std::string>;

TEST(AnnounceQueue, KeepsTheOrderWhileThereIsRoom) {
  AnnounceQueue queue(false);
  for (auto& each : {directory("d"), large("d/l"), small("d/s"), large("e"), small("f")}) queue.add(each);
  EXPECT_EQ(taken(queue, {.small = true, .large = true, .other = false}), Paths{});
  EXPECT_EQ(taken(queue, all), (Paths{"d", "d/l", "d/s", "e", "f"}));
  EXPECT_TRUE(queue.empty());
}

TEST(AnnounceQueue, NeitherLaneHoldsUpTheOther) {
  AnnounceQueue queue(false);
  for (auto& each : {large("l1"), large("l2"), directory("d"), small("d/s"), large("d/l")}) queue.add(each);
  EXPECT_EQ(taken(queue, no_large), (Paths{"d", "d/s"}));
  EXPECT_EQ(queue.ahead(), 0U);
  EXPECT_FALSE(queue.empty());
  queue.add(large("l3"));
  EXPECT_EQ(taken(queue, all), (Paths{"l1", "l2", "d/l", "l3"}));
  for (auto& each : {small("s1"), small("s2"), directory("e"), large("e/l"), small("e/s")}) queue.add(each);
  EXPECT_EQ(taken(queue, no_small), (Paths{"e", "e/l"}));
  EXPECT_EQ(taken(queue, all), (Paths{"s1", "s2", "e/s"}));
  EXPECT_TRUE(queue.empty());
}

TEST(AnnounceQueue, AFurtherNameComesAfterItsFile) {
  AnnounceQueue queue(false);
  for (auto& each :
       {large("l"), entry(EntryType::hard_link, "l2", large_bytes), small("s"), entry(EntryType::hard_link, "s2", 7)})
    queue.add(each);
  EXPECT_EQ(taken(queue, no_large), (Paths{"s", "s2"}));
  EXPECT_EQ(taken(queue, all), (Paths{"l", "l2"}));
  queue.add(entry(EntryType::hard_link, "l3", large_bytes));  // takes none of the room for large files
  EXPECT_EQ(taken(queue, no_large), Paths{"l3"});
}

TEST(AnnounceQueue, TopsThatAreToStayInOrderAreNotPassedBy) {
  AnnounceQueue queue(true);
  for (auto& each : {directory("d"), large("d/l"), small("d/s"), large("top"), small("last")}) queue.add(each);
  EXPECT_EQ(taken(queue, no_large), (Paths{"d", "d/s"}));
  EXPECT_EQ(taken(queue, all), (Paths{"d/l", "top", "last"}));
}

TEST(AnnounceQueue, WhatIsPassedByIsBounded) {
  AnnounceQueue queue(false);
  constexpr std::size_t many = 100'000;
  for (std::size_t i = 0; i < many; ++i) queue.add(large("large-" + std::to_string(i)));
  queue.add(small("s"));
  EXPECT_EQ(taken(queue, no_large), Paths{});
  EXPECT_GT(queue.ahead(), many / 2);
  EXPECT_LT(queue.ahead(), many - 5'000);
  std::size_t found = 0;
  for (const std::string& path : taken(queue, all)) {
    const bool last = found == many;
    EXPECT_EQ(path, last ? "s" : "large-" + std::to_string(found));
    ++found;
  }
  EXPECT_EQ(found, many + 1);
}

}  // namespace
}  // namespace longhaul::engine
