// The seam to networks: connections that carry bytes both ways, in order, until they break. The simulator brings its
// own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/role.h"
#include "longhaul/status.h"

namespace longhaul::wire {

/// What `read_some` and `write_some` say.
struct Transfer {
  enum class State : std::uint8_t {
    moved,    ///< `bytes` > 0 were moved
    blocked,  ///< nothing can move now; watch() and come back
    closed,   ///< the peer closed in order (reads only)
    failed,   ///< the connection is gone; `system_errno` says why
  };
  State state = State::blocked;
  std::size_t bytes = 0;
  int system_errno = 0;
};

/// Figures of a connection as the kernel knows them; zero where it does not.
struct Health {
  std::uint64_t rtt_us = 0;
  std::uint64_t rtt_us_min = 0;  ///< least of the last minutes: without what waits in queues
  std::uint64_t bytes_acked = 0;
  std::uint64_t acks = 0;             ///< grows with everything that is acknowledged, also out of order
  std::uint64_t bytes_in_flight = 0;  ///< on the wire and not acknowledged
  std::uint64_t bytes_unsent = 0;     ///< in the socket's buffer, not yet on the wire
  std::uint64_t bytes_sent = 0;       ///< payload put on the wire, repeats included
  std::uint32_t segment_bytes = 0;    ///< most payload of one packet
  std::uint64_t held_us = 0;          ///< so long in all did the peer's full window keep bytes back
  std::uint64_t retransmits = 0;
  std::uint64_t bytes_resent = 0;    ///< repeats
  std::uint64_t buffer_held_us = 0;  ///< so long in all was the send buffer too small for the path
  std::uint64_t delivery_bytes_per_s = 0;
  // Of a fabric.
  std::uint32_t slots = 0;       ///< frames that may be on their way at once
  std::uint32_t slot_trips = 1;  ///< round trips for which each of them has its slot
  /// So long in all did frames wait for those before them to arrive although the way was not full: with more slots
  /// they would have gone out.
  std::uint64_t slots_held_us = 0;
};

/// What connections begin with where the system permits that; else with what it gives.
constexpr const char* usual_congestion = "cubic";
constexpr const char* system_congestion = "system";

/// Used by one thread at a time; it may be handed over between threads when it watches nothing. A poller outlives what
/// it watches: a destroyed connection takes its wishes back by itself.
class Connection {
 public:
  virtual ~Connection() = default;  ///< closes
  /// False while a dial is still under way; `write_some` before that is `blocked`. A failed dial shows in
  /// write_some/read_some.
  virtual bool connected() = 0;
  virtual Transfer read_some(std::span<std::byte> into) = 0;
  /// Reads into `first` and, when that is full, into `second`: the rest of a payload and the header behind it in one
  /// call.
  virtual Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) = 0;
  virtual Transfer write_some(std::span<const std::byte> from) = 0;
  /// Asks `poller` for one wake-up when this becomes readable with at least `readable_bytes` (0: do not care about
  /// reading) and/or writable. Waiting for many bytes is a wish: the kernel may wake earlier.
  virtual void watch(Poller& poller, std::size_t readable_bytes, bool writable) = 0;
  /// Takes back all wishes: call before handing the connection to another thread.
  virtual void unwatch(Poller& poller) = 0;
  virtual Health health() = 0;
  /// For connections that were accepted: what the dialler asks of its path holds for the packets of this side too.
  /// `dscp`: 0..63. A network without such things does nothing. Errors: the system does not let us; the connection goes
  /// on.
  virtual Result<> set_dscp(int /*dscp*/) { return {}; }
  /// `system_congestion`: what the system gives to whoever asks for nothing.
  virtual Result<> set_congestion(const std::string& /*name*/) { return {}; }
  /// From now on at most so many bytes per second leave, evenly spread; 0: as fast as they can. Never fails: where the
  /// system cannot pace, nothing changes.
  virtual void set_pace(std::uint64_t bytes_per_s) = 0;
  /// Words for `failed`, where there is more to say than what `system_errno` does.
  virtual std::optional<Error> why_failed() const { return std::nullopt; }
  virtual std::string local_address() const = 0;  ///< "127.0.0.1:4711", "[::1]:4711"
  virtual std::string remote_address() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// A new connection, or null when nobody waits.
  virtual std::unique_ptr<Connection> accept() = 0;
  virtual void watch(Poller& poller) = 0;
  virtual void unwatch(Poller& poller) = 0;
  virtual std::string address() const = 0;  ///< with the real port
};

struct DialOptions {
  std::string local;       ///< ADDR or empty
  std::string device;      ///< network interface to bind to; empty: the routing table chooses
  std::string remote;      ///< ADDR:PORT; names are not resolved here
  std::string congestion;  ///< as for set_congestion; empty: usual_congestion
  int dscp = -1;           ///< 0..63, of every packet from the first; -1: the system's
};

/// An address of an interface of this machine.
struct OwnAddress {
  std::string device;
  std::string address;       ///< numeric, without a port
  unsigned prefix_bits = 0;  ///< of its network
  bool operator==(const OwnAddress&) const = default;
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual Result<std::unique_ptr<Connection>> dial(const DialOptions& options) = 0;
  /// `address`: ADDR:PORT; port 0: any free one.
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address) = 0;
  /// Whether connections may have this congestion control. Errors say what to do about it.
  virtual Result<> offers_congestion(const std::string& /*name*/) { return {}; }
  /// Of all interfaces that are up. Empty: not known.
  virtual std::vector<OwnAddress> own_addresses() { return {}; }
};

/// "host:port" of ADDR[:PORT], "[v6]:port", "v6": splits and checks. Port 0 when none is given.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view text);
std::string join_host_port(const HostPort& address);
/// Numeric address of a host name (getaddrinfo; may block). Numeric input comes back as it is.
Result<std::string> resolve(const std::string& host);

}  // namespace longhaul::wire
