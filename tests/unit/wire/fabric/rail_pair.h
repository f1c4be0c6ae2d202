// Both ends of a rail in one thread, with what their companion connection would carry.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "wire/fabric/receive_rail.h"
#include "wire/fabric/send_rail.h"

namespace longhaul::wire::fabric {

/// Fast also where nothing is optimised.
inline bool all_are(ConstBytes bytes, std::byte wanted) {
  return bytes.empty() || (bytes[0] == wanted && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class RailPair {
 public:
  static constexpr std::size_t frames_in_arena = 4;

  RailPair(Fabric& fabric, const RailWish& wish, std::uint64_t seed) : wish_(wish), random_(seed) {
    arena_.resize(frames_in_arena * wish.slot_bytes);
    for (std::size_t i = 0; i < frames_in_arena; ++i) free_.push_back(i);
    slots_.resize(wish.slots * wish.slot_bytes);
    auto opened = ReceiveRail::open(fabric, system_random(), wish, slots_);
    auto sending = SendRail::open(fabric, system_random(), wish, arena_);
    if (!opened || !sending) {
      problem = !opened ? opened.error() : sending.error();
      return;
    }
    receiver = *std::move(opened);
    sender = *std::move(sending);
    for (const Result<>& met : {receiver->meet(sender->offer()), sender->meet(receiver->offer())})
      if (!met) problem = met.error();
  }

  /// One look at both ends: grants, sends up to `frames` in all, checks what has arrived.
  Result<> step(std::size_t frames) {
    for (const Grant& grant : receiver->grant_all())
      if (Result<> added = sender->add(grant); !added) return added;
    while (begun < frames && sender->can_send() && !free_.empty())
      if (Result<> posted = send_next(); !posted) return posted;
    std::vector<ReceiveRail::Arrival> arrivals;
    if (Result<> passed = pass_on(arrivals); !passed) return passed;
    for (const ReceiveRail::Arrival& arrival : arrivals) check(arrival);
    return {};
  }

  /// A sender that writes by a grant of its own: what the receiver says to that; nothing for as long.
  Result<> misuse(const Grant& grant, Time patience) {
    if (Result<> added = sender->add(grant); !added) return added;
    if (Result<> posted = send_next(); !posted) return posted;
    std::vector<ReceiveRail::Arrival> arrivals;
    for (const Time end = system_clock().now() + patience; system_clock().now() < end;)
      if (Result<> passed = pass_on(arrivals); !passed) return passed;
    return {};
  }

  /// Until so many frames have arrived, or for so long.
  Result<> run(std::size_t frames, Time patience) {
    const Time end = system_clock().now() + patience;
    while (arrived < frames) {
      if (Result<> stepped = step(frames); !stepped) return stepped;
      if (system_clock().now() > end) return fail(Code::stalled, "after " + std::to_string(arrived) + " frames");
    }
    return {};
  }

 private:
  std::vector<std::byte> slots_;  // outlives the rails, as the arena does
  std::vector<std::byte> arena_;

 public:
  std::unique_ptr<ReceiveRail> receiver;
  std::unique_ptr<SendRail> sender;
  std::optional<Error> problem;
  std::size_t begun = 0;
  std::size_t arrived = 0;
  std::size_t wrong = 0;

 private:
  struct Head {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
  };

  /// One look at both queues; the receiver hears of what is complete, where it must be told.
  Result<> pass_on(std::vector<ReceiveRail::Arrival>& arrivals) {
    std::vector<SendRail::Sent> sent;
    if (Result<> stepped = sender->step(sent); !stepped) return stepped;
    for (const SendRail::Sent& one : sent) {
      free_.push_back(one.cookie);
      if (sender->carries_grants()) continue;
      if (Result<> told = receiver->written(one.grant, arrivals); !told) return told;
    }
    return receiver->step(arrivals);
  }

  Result<> send_next() {
    const std::size_t piece = free_.back();
    free_.pop_back();
    std::byte* at = arena_.data() + piece * wish_.slot_bytes;
    const Head head{begun, sizeof(Head) + random_() % (wish_.slot_bytes - sizeof(Head) + 1)};
    std::memcpy(at, &head, sizeof head);
    std::memset(at + sizeof head, static_cast<int>(head.number * 31 % 251), head.bytes - sizeof head);
    ++begun;
    return sender->send({at, head.bytes}, piece);
  }

  void check(const ReceiveRail::Arrival& arrival) {
    const auto head = load<Head>(arrival.memory.data());
    const auto wanted = static_cast<std::byte>(head.number * 31 % 251);
    const bool fits = head.number < begun && head.bytes <= arrival.memory.size() && head.bytes >= sizeof head;
    const auto content = fits ? arrival.memory.subspan(sizeof head, head.bytes - sizeof head) : Bytes();
    const bool right = all_are(content, wanted);
    if (!fits || !right || head.number != arrived) ++wrong;
    ++arrived;
    receiver->release(arrival.slot);
  }

  RailWish wish_;
  std::mt19937_64 random_;
  std::vector<std::size_t> free_;
};

}  // namespace longhaul::wire::fabric
