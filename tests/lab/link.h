// One direction of a path: a drop-tail queue before a bottleneck, then a wire with delay, jitter, loss, reordering,
// duplication and corruption. Pure: its time is what it is told, so that a unit test can run hours of it.
#pragma once

#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "packet.h"
#include "units.h"

namespace longhaul::lab {

enum class LinkState {
  up,
  down,   // everything is dropped silently, also what is in flight: a fiber is cut
  hold,   // nothing arrives and nothing is lost until it is up again
  reset,  // everything is dropped, and every TCP packet is answered by a reset: a firewall has lost its memory
};

struct LinkSettings {
  Nanoseconds delay = 0;  // one way
  Nanoseconds jitter = 0, jitter_period = 100 * one_ms;
  double rate = 0;                // bits a second of IP packets, 0: no limit
  Nanoseconds queue_time = -1;    // -1: not given as time
  std::uint64_t queue_bytes = 0;  // 0: not given as size; neither: one round trip, within 10 to 250 ms
  double loss = 0, burst = 1;     // of wire packets, in runs of this mean length
  double reorder = 0;
  Nanoseconds reorder_by = 0;  // 0: a quarter of the delay, at least 1 ms
  double duplicate = 0, corrupt = 0;
  Nanoseconds gap_every = 0, gap_for = 0;
  std::uint32_t packet_bytes_max = 0;  // larger ones vanish; 0: none does
  LinkState state = LinkState::up;

  /// `KEY` and `VALUE` of one setting; a bare word has no value. False: no such key. Throws on a bad value.
  [[nodiscard]] bool apply(const std::string& key, const std::string& value);
  [[nodiscard]] std::uint64_t queue_limit_bytes() const;
};

/// Counted in wire packets, if not said otherwise.
struct LinkStats {
  std::uint64_t super_packets = 0, packets = 0, bytes = 0;  // that have arrived
  std::uint64_t lost = 0, dropped_queue = 0, dropped_down = 0, dropped_size = 0, dropped_memory = 0, dropped_write = 0;
  std::uint64_t reordered = 0, duplicated = 0, corrupted = 0, resets = 0;
  std::uint64_t queue_bytes_max = 0;
  // How late super-packets left, against the model: the lab's own error.
  std::uint64_t late_samples = 0, late_over_1ms = 0;
  Nanoseconds late_sum = 0, late_max = 0;
};

class Link {
 public:
  /// Both of a path's links use the path's pool.
  Link(Pool& pool, std::uint64_t seed);
  ~Link() { drop_all(nullptr); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void set(const LinkSettings& settings, Nanoseconds now);
  [[nodiscard]] const LinkSettings& settings() const { return settings_; }
  [[nodiscard]] LinkStats& stats() { return stats_; }

  /// Takes over the packet's references.
  void enter(Packet packet, Nanoseconds now);
  /// Hands at most `count` packets that are due to `out`, which does not keep them. Returns how many.
  int leave(Nanoseconds now, int count, const std::function<bool(const Packet&)>& out);
  /// INT64_MAX: nothing is on its way.
  [[nodiscard]] Nanoseconds next_due() const;

 private:
  struct Flight {
    Nanoseconds due;
    std::uint64_t order;
    Packet packet;
    bool operator>(const Flight& other) const { return due != other.due ? due > other.due : order > other.order; }
  };
  struct Run {
    std::uint32_t from, count;
  };

  [[nodiscard]] std::uint64_t queued_bytes(Nanoseconds now) const;
  [[nodiscard]] bool refused(const Packet& packet);
  [[nodiscard]] std::uint32_t fitting_segments(const Packet& packet, Nanoseconds now) const;
  void transmit(const Packet& packet, Nanoseconds now);
  void decide_fates(const Packet& packet, Run run, Nanoseconds sent);
  void send_run(const Packet& packet, Run run, Nanoseconds sent, Nanoseconds extra);
  [[nodiscard]] std::uint32_t segments_of_lump(const Packet& packet) const;
  void corrupt_some(Packet& packet, std::uint32_t count);
  void push(const Packet& packet, Nanoseconds due);
  void drop_all(std::uint64_t* count);
  [[nodiscard]] Nanoseconds jitter_at(Nanoseconds time);
  void restart_chances();
  [[nodiscard]] std::uint64_t loss_run(bool lost);

  Pool& pool_;
  Random random_;
  LinkSettings settings_;
  LinkStats stats_;
  Nanoseconds sent_all_ = 0;  // when the bottleneck will have sent all that it has taken
  Nanoseconds last_due_ = 0;  // keeps packets in order under jitter
  std::uint64_t order_ = 0;
  // Wire packets left until the next event.
  bool losing_ = false;
  std::uint64_t loss_left_ = 0, reorder_left_ = 0, duplicate_left_ = 0, corrupt_left_ = 0;
  std::int64_t jitter_slot_ = -1;
  double jitter_from_ = 0, jitter_to_ = 0;
  std::priority_queue<Flight, std::vector<Flight>, std::greater<>> wire_;
};

}  // namespace longhaul::lab
