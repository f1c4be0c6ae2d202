// A peer that holds the ticket and then talks nonsense: frames and messages with wrong numbers in well-formed
// envelopes, cut short, repeated, replaced by noise. The receiver may refuse whatever it likes; it must not die, wait
// for ever, touch a published file or write outside the target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

class Abuser {
 public:
  Abuser(std::uint64_t seed, std::uint64_t one_in) : random_(seed ^ 0x6162757365), one_in_(one_in) {}

  void edit(protocol::Type type, ConstBytes unit, std::vector<std::byte>& out) {
    if (++units_ <= greetings || !random_.one_in(one_in_)) return append(unit, out);
    ++abused_;
    switch (random_.below(6)) {
      case 0:
        append(unit, out);
        return append(unit, out);
      case 1:
        return append(unit.first(random_.below(unit.size())), out);
      case 2: {
        std::vector<std::byte> noise(1 + random_.below(5000));
        random_.fill(noise);
        return append(noise, out);
      }
      default:
        return type == protocol::Type::frame ? bend_frame(unit, out) : bend_message(unit, out);
    }
  }
  [[nodiscard]] std::uint64_t abused() const { return abused_; }

 private:
  static constexpr std::uint64_t greetings = 8;

  static void append(ConstBytes bytes, std::vector<std::byte>& out) {
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  /// Near zero, near the top, or anything.
  std::uint64_t number() {
    const std::uint64_t draw = random_.draw();
    return random_.one_in(3) ? draw % 5 : random_.one_in(2) ? ~(draw % 5) : draw;
  }

  void bend_frame(ConstBytes unit, std::vector<std::byte>& out) {
    auto header = protocol::decode_frame_header(unit.first<protocol::frame_header_bytes>());
    if (!header) return append(unit, out);
    switch (random_.below(9)) {
      case 0:
        header->transfer = static_cast<std::uint32_t>(number());
        break;
      case 1:
        header->attempt = static_cast<std::uint32_t>(number());
        break;
      case 2:
        header->file = number();
        break;
      case 3:
        header->chunk = number();
        break;
      case 4:
        header->offset = number() / protocol::leaf_bytes * protocol::leaf_bytes;
        break;
      case 5:
        header->frame_index = static_cast<std::uint16_t>(number());
        break;
      case 6:
        header->frame_count = static_cast<std::uint16_t>(number());
        break;
      case 7:
        header->flags ^= protocol::flag_bundle;
        break;
      default:
        header->leaves[random_.below(header->leaves.size())].bytes[0] ^= std::byte{1};
    }
    const std::size_t begin = out.size();
    append(unit, out);
    protocol::encode_frame_header(*header, std::span(out).subspan(begin).first<protocol::frame_header_bytes>());
  }

  void bend_message(ConstBytes unit, std::vector<std::byte>& out) {
    const auto prefix = protocol::decode_prefix(unit.first<protocol::prefix_bytes>(), protocol::message_bytes_max);
    protocol::Message message;
    if (!prefix ||
        !protocol::decode_message(unit.first<protocol::prefix_bytes>(), unit.subspan(protocol::prefix_bytes), message))
      return append(unit, out);
    std::string bytes = message.SerializeAsString();
    for (std::uint64_t count = 1 + random_.below(4); count > 0 && !bytes.empty(); --count)
      bytes[random_.below(bytes.size())] = static_cast<char>(random_.draw());
    protocol::Message bent;
    // What no longer parses would only be noise with a good check sum.
    append(protocol::encode_message(bent.ParseFromString(bytes) ? bent : message, prefix->sequence), out);
  }

  SimRandom random_;
  std::uint64_t one_in_;
  std::uint64_t units_ = 0;
  std::uint64_t abused_ = 0;
};

TEST(Abuse, AReceiverSurvivesAPeerThatTalksNonsense) {
  log::set_level(log::Level::quiet);
  std::uint64_t abused = 0;
  for_seeds(150, [&](std::uint64_t seed) {
    WorldPlan plan;
    plan.paths.assign(2, {.delay = millisecond, .bytes_per_s = 100'000'000});
    plan.workers = 2;
    plan.streams = 2;
    plan.tree = {.small_files = 30, .chunk_files = 5, .large_chunks = seed % 4 == 0 ? 2ULL : 0ULL};
    TransferWorld world(seed, plan);
    world.laws.distrust_sender();
    Abuser abuser(seed, 1 + seed % 20);
    world.edit = [&](protocol::Type type, ConstBytes unit, std::vector<std::byte>& out) {
      abuser.edit(type, unit, out);
    };
    ASSERT_TRUE(world.start_receiver()) << world.start_problem;
    ASSERT_TRUE(world.start_sender()) << world.start_problem;
    EXPECT_TRUE(world.run_to_end(4 * 3600 * second)) << "neither an end nor a verdict";
    world.check_laws();
    abused += abuser.abused();
    // The receiver's disk is none the worse: an honest sender's files land beside whatever is there.
    world.edit = nullptr;
    world.world.kill("sender");
    world.world.kill("receiver");
    world.new_commands();
    ASSERT_TRUE(world.start_receiver()) << world.start_problem;
    ASSERT_TRUE(world.start_sender()) << world.start_problem;
    EXPECT_TRUE(world.run_to_end(3600 * second));
    world.check_laws();
    ASSERT_TRUE(world.sent);
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
  });
  EXPECT_GT(abused, 0U);
}

}  // namespace
}  // namespace longhaul::sim
