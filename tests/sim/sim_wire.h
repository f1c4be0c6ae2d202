// A network of named hosts. Addresses are "host:port" (no wildcards); what lies between two hosts is one path, with a
// delay, a rate and ways to fail. Bytes of one connection arrive in order; nothing of a connection outlives its
// process.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim_base.h"
#include "wire/wire.h"

namespace longhaul::sim {

/// Between two hosts, the same both ways; each direction has the whole rate, shared by all connections.
struct Path {
  Time delay = 0;                 ///< one way
  std::uint64_t bytes_per_s = 0;  ///< 0: no limit
  Time jitter = 0;  ///< up to so much more for each segment: what two connections carry arrives in any order
};

/// How a process goes away.
enum class Death : std::uint8_t {
  reset,    ///< its host lives: peers are told after the path's delay
  silence,  ///< its host is gone: peers hear nothing
};

/// Bytes on their way to an end, or arrived there and not yet read.
struct Segment {
  Time sent = 0;
  Time departs = 0;
  Time arrives = 0;
  std::vector<std::byte> bytes;
  std::size_t read = 0;
};

/// What lies between two hosts.
struct PathState {
  Path path;
  bool is_cut = false;
  Time silent_since = time_never;
  std::uint64_t dials = 0;
  std::map<std::string, Time> free_at;  ///< by sending host: when its direction has room for the next byte
  std::uint64_t bytes = 0;
};

/// One end of a connection.
struct End {
  std::string process;
  wire::HostPort local;
  wire::HostPort remote;
  std::weak_ptr<End> peer;
  PathState* path = nullptr;  ///< what lies between
  bool closed = false;        ///< its owner let go of it, or was killed
  bool host_gone = false;     ///< killed in silence: hears nothing, says nothing
  Time dialled_at = 0;
  Time answered_at = 0;  ///< the dial's outcome is known: connected, or failed
  Time connected_at = time_never;
  std::deque<Segment> in;
  std::uint64_t bytes_in = 0;  ///< in `in`, not read
  std::uint64_t bytes_sent = 0;
  std::uint64_t pace = 0;  ///< bytes/s; 0: none
  Time paced_until = 0;
  Time held = 0;       ///< by the peer's full buffer, as far as somebody asked
  Time looked_at = 0;  ///< last question for its health
  Time peer_closed_at = time_never;
  Time failed_at = time_never;
  int failed_errno = 0;
};
using EndPtr = std::shared_ptr<End>;

class SimNetwork {
 public:
  SimNetwork(SimClock& clock, Trace& trace, std::uint64_t seed) : clock_(clock), trace_(trace), random_(seed) {}

  // --- what a test sets -----------------------------------------------------------------------------------------
  Path default_path;
  std::size_t buffer_bytes = 1024 * 1024;  ///< of one connection and direction: on the way and not yet read
  Time user_timeout = 30 * second;         ///< unanswered in a silence for so long: ETIMEDOUT
  void set_path(const std::string& host_a, const std::string& host_b, Path path);
  /// Resets every connection between the two; dials fail until heal().
  void cut(const std::string& host_a, const std::string& host_b);
  /// Nothing arrives any more, and nobody is told, until heal(): then what is on the way arrives.
  void silence(const std::string& host_a, const std::string& host_b);
  void heal(const std::string& host_a, const std::string& host_b);
  /// Resets one connection between the two, chosen at random; the path stays. False: there is none.
  bool break_one(const std::string& host_a, const std::string& host_b);
  /// Ends all connections and listeners of `process`; call it before its objects are destroyed.
  void kill(const std::string& process, Death death);

  /// What `process` knows of its interfaces.
  std::map<std::string, std::vector<wire::OwnAddress>> interfaces;
  /// The seam of `process` on `host`, where dials come from when they name no local address. Lives as long as the
  /// network.
  wire::Wire& wire(const std::string& process, const std::string& host);
  /// The earliest arrival, connect, reset or timeout after `now`.
  [[nodiscard]] Time next_due(Time now) const;
  /// Connections that have been dialled between the two so far, whoever answered.
  [[nodiscard]] std::uint64_t dials_between(const std::string& host_a, const std::string& host_b) {
    return between(host_a, host_b).dials;
  }
  /// When so many bytes that leave `from` now, beside all connections, are at `to`.
  Time carry(const std::string& from, const std::string& to, std::size_t bytes);
  /// Bytes that have been handed to the path so far, both ways.
  [[nodiscard]] std::uint64_t bytes_between(const std::string& host_a, const std::string& host_b);

 private:
  friend class SimWire;
  friend class SimConnection;
  friend class SimListener;
  friend class SimFabric;
  struct Listening {
    std::string process;
    const void* owner = nullptr;
    std::deque<EndPtr> waiting;
  };

  PathState& between(const std::string& a, const std::string& b);
  std::vector<EndPtr> ends_between(const std::string& a, const std::string& b);
  [[nodiscard]] Time effective(const End& end, Time when) const;
  [[nodiscard]] Time gives_up_at(const End& end) const;
  [[nodiscard]] int failure(const End& end) const;
  static void fail_at(End& end, Time when, int error);

  EndPtr dial(const std::string& process, const std::string& local_host, const wire::HostPort& remote);
  EndPtr accept(const std::string& address);
  void close(End& end);
  void stop_listening(const std::string& address);
  wire::Transfer read(End& end, std::span<std::byte> into);
  wire::Transfer write(End& end, std::span<const std::byte> from);
  void send(End& end, End& peer, std::span<const std::byte> bytes);
  Time jitter_of(const PathState& path);
  /// What poll(2) would say, with SO_RCVLOWAT at `bytes`.
  [[nodiscard]] bool readable(const End& end, std::size_t bytes) const;
  [[nodiscard]] bool writable(const End& end) const;
  [[nodiscard]] bool somebody_waits(const std::string& address) const;
  [[nodiscard]] wire::Health health(End& end);

  SimClock& clock_;
  Trace& trace_;
  SimRandom random_;
  std::uint16_t next_port_ = 20000;
  mutable std::map<std::pair<std::string, std::string>, PathState> paths_;
  std::map<std::string, Listening> listening_;  // by address
  std::vector<EndPtr> ends_;                    // in the order of their making; pairs go when both are closed
  std::map<std::pair<std::string, std::string>, std::unique_ptr<wire::Wire>> wires_;
};

}  // namespace longhaul::sim
