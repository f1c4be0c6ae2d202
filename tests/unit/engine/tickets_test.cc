#include "engine/tickets.h"

#include "place.h"

namespace longhaul::engine {
namespace {

TicketRecord record(unsigned char fill, std::int64_t expires_s, std::uint16_t port) {
  TicketRecord record;
  record.id.fill(std::byte{fill});
  record.key.fill(std::byte{static_cast<unsigned char>(fill + 1)});
  record.expires_s = expires_s;
  record.port = port;
  return record;
}

class Tickets : public ::testing::Test {
 protected:
  TicketBook open(std::int64_t now_s) { return *TicketBook::open(*place_.disk, place_.zone->directory(), now_s); }
  Place place_;
};

TEST_F(Tickets, AreKeptAcrossLives) {
  auto book = open(0);
  EXPECT_EQ(book.port(), 0);
  book.add(record(1, 100, 4711));
  book.add(record(2, 200, 4712));
  TicketRecord* second = book.find(record(2, 0, 0).id);
  ASSERT_NE(second, nullptr);
  second->first_sender.emplace().fill(std::byte{9});
  second->used = true;
  ASSERT_TRUE(book.save(*place_.disk));

  place_.fs.crash();  // what was saved survives a power cut
  auto again = open(50);
  const TicketRecord* first = again.find(record(1, 0, 0).id);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->key, record(1, 0, 0).key);
  EXPECT_EQ(first->expires_s, 100);
  EXPECT_EQ(first->port, 4711);
  EXPECT_FALSE(first->first_sender);
  EXPECT_FALSE(first->used);
  second = again.find(record(2, 0, 0).id);
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(second->used);
  ASSERT_TRUE(second->first_sender);
  EXPECT_EQ(second->first_sender->front(), std::byte{9});
  EXPECT_EQ(again.find(record(3, 0, 0).id), nullptr);
}

TEST_F(Tickets, ExpiredOnesAreForgotten) {
  auto book = open(0);
  book.add(record(1, 100, 4711));
  book.add(record(2, 200, 4712));
  ASSERT_TRUE(book.save(*place_.disk));
  auto later = open(100);
  EXPECT_EQ(later.find(record(1, 0, 0).id), nullptr);
  EXPECT_NE(later.find(record(2, 0, 0).id), nullptr);
}

TEST_F(Tickets, AreForTheOwnerOnly) {
  auto book = open(0);
  book.add(record(1, 100, 4711));
  ASSERT_TRUE(book.save(*place_.disk));
  EXPECT_EQ(place_.disk->stat(place_.zone->directory(), "tickets")->mode, 0600U);
}

TEST_F(Tickets, ADamagedFileIsAnEmptyBook) {
  for (const std::string text : {"", "LHTICKT1", "something else\n", "LHTICKT1\nnot a line\n01 02 - 3 4 open\n"}) {
    place_.fs.put_file("target/.longhaul/tickets", bytes_of(text));
    auto book = open(0);
    EXPECT_EQ(book.port(), 0) << text;
    EXPECT_EQ(book.find(record(1, 0, 0).id), nullptr);
  }
}

TEST_F(Tickets, AFullDiskIsSaid) {
  auto book = open(0);
  book.add(record(1, 100, 4711));
  place_.fs.capacity_bytes = place_.fs.used_bytes() + 8;
  const auto saved = book.save(*place_.disk);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Code::no_space);
}

}  // namespace
}  // namespace longhaul::engine
