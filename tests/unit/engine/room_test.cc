// What a listener keeps for one session at most.
#include "engine/room.h"

#include <gtest/gtest.h>

#include "protocol/bounds.h"
#include "wire/fabric/rail.h"

namespace longhaul::engine {
namespace {

const PathOptions plain{.name = "p"};

PathOptions by_fabric(unsigned slots) {
  PathOptions path{.name = "f"};
  path.transport = "fabric:verbs";
  path.slots = slots;
  return path;
}

void expect_refused(const Held& held, const PathOptions& path, const std::string& words) {
  const auto room = has_room(held, path);
  ASSERT_FALSE(room) << words;
  EXPECT_EQ(room.error().code, Code::refused);
  EXPECT_NE(room.error().text.find(words), std::string::npos) << room.error().text;
}

TEST(Room, StreamsOfOneSessionAndOfOnePathHaveAnEnd) {
  EXPECT_TRUE(has_room({}, plain));
  EXPECT_TRUE(has_room({.streams = protocol::session_streams_max - 1}, plain));
  expect_refused({.streams = protocol::session_streams_max}, plain, "takes 1024 streams of one session");
  EXPECT_TRUE(has_room({.streams = 700, .streams_of_path = protocol::streams_per_path_max - 1}, plain));
  expect_refused({.streams = 700, .streams_of_path = protocol::streams_per_path_max}, plain,
                 "takes 128 streams of one path, and path p has them");
}

TEST(Room, SlotsOfFabricStreamsHaveAnEnd) {
  EXPECT_TRUE(has_room({.slots = protocol::session_slots_max}, plain)) << "TCP needs none";
  EXPECT_TRUE(has_room({.slots = protocol::session_slots_max - wire::fabric::rail_slots}, by_fabric(0)));
  expect_refused({.slots = protocol::session_slots_max - wire::fabric::rail_slots + 1}, by_fabric(0),
                 "3 are left, and a stream of path f wants 4");
  EXPECT_TRUE(has_room({.slots = 3840}, by_fabric(256)));
  expect_refused({.slots = 3841}, by_fabric(256), "255 are left, and a stream of path f wants 256");
  expect_refused({.slots = 5000}, by_fabric(0), "0 are left");
}

TEST(Room, WhatAPeerIsCalledIsPrintedWithCare) {
  PathOptions path = by_fabric(0);
  path.name = "a\nb";
  const auto room = has_room({.slots = protocol::session_slots_max}, path);
  ASSERT_FALSE(room);
  EXPECT_EQ(room.error().text.find('\n'), std::string::npos) << room.error().text;
}

}  // namespace
}  // namespace longhaul::engine
