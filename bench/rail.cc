// The wire stage of a fabric path alone: two processes with a channel each whose frames go by rail, its companion over
// loopback. Frames out of the rail's slots, dropped where they arrive: no disks, no seal, and digests only
// when asked for. To be run in turn with `floor_rma`, which is the bare loop of the same provider.
//
//   rail PROVIDER [--mib N] [--kib N] [--slots N] [--digests]
//
// --kib: of each frame, by default 256, as in a transfer; or 512, or 1024. --slots: at each end, by default as many as
// a stream has.
//
// Waits as workers do. Prints a JSON line.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "base/slots.h"
#include "longhaul/options.h"
#include "protocol/frame.h"
#include "ring/ring.h"
#include "two_ends.h"
#include "wire/fabric/fabric_channel.h"
#include "wire/tcp.h"

namespace {

namespace bench = longhaul::bench;
namespace fabric = longhaul::wire::fabric;
namespace protocol = longhaul::protocol;
namespace wire = longhaul::wire;
using longhaul::ConstBytes;
using longhaul::Slot;
using longhaul::SlotPool;
using longhaul::Time;

struct Options {
  std::string provider;
  std::uint64_t mib = 4096;
  std::uint64_t kib = protocol::frame_bytes_usual >> 10;
  unsigned slots = 0;  // as many as a stream has

  [[nodiscard]] std::uint64_t frames() const { return mib * 1024 / kib; }
  bool digests = false;
};

[[noreturn]] void die(const longhaul::Error& error) {
  fmt::print(stderr, "rail: {}\n", error.text);
  std::fflush(stderr);
  std::_Exit(1);
}

template <class T>
T good(longhaul::Result<T> result) {
  if (!result) die(result.error());
  return std::move(*result);
}

/// Of a stream over a short way.
unsigned slots_of(const Options& options) {
  if (options.slots != 0) return options.slots;
  const auto endpoint = good(fabric::system_fabric().open({.provider = options.provider, .where = {}}));
  return fabric::slots_least(endpoint->place());
}

/// A channel and its thread's poller.
class End {
 public:
  End(const Options& options, std::unique_ptr<wire::Connection> companion, bool sends)
      : channel_(std::move(companion), {}, {}, {},
                 {.fabric = fabric::system_fabric(),
                  .random = longhaul::system_random(),
                  .clock = longhaul::system_clock(),
                  .wish = {.provider = options.provider, .where = {}},
                  .sends = sends,
                  .slots = slots_of(options),
                  .frame_bytes = static_cast<std::uint32_t>(options.kib << 10),
                  .peer_elsewhere = true}) {}  // the provider chooses its device, the companion is on loopback
  ~End() { channel_.unwatch(*poller_); }

  [[nodiscard]] wire::Channel& channel() { return channel_; }
  void wait() {
    channel_.watch(*poller_, false);
    const Time now = longhaul::system_clock().now();
    const Time look = channel_.next_look(*poller_, now);
    if (look > now) poller_->wait(now, std::min(look, now + longhaul::second));
  }

 private:
  std::unique_ptr<longhaul::Poller> poller_ = longhaul::ring::make_poll_poller(longhaul::system_clock());
  fabric::FabricChannel channel_;
};

void begin_frame(wire::Channel& channel, Slot slot, std::uint32_t frame_bytes, bool digests) {
  std::byte* const begin = slot.before_payload(protocol::frame_header_bytes);
  protocol::FrameHeader header;
  header.transfer = 1;
  header.raw_bytes = header.wire_bytes = frame_bytes;
  header.leaf_count = static_cast<std::uint8_t>(frame_bytes / protocol::leaf_bytes);
  for (std::size_t i = 0; digests && i < header.leaf_count; ++i)
    header.leaves[i] = longhaul::digest_of({slot.payload() + i * protocol::leaf_bytes, protocol::leaf_bytes});
  protocol::encode_frame_header(
      header, std::span<std::byte, protocol::frame_header_bytes>(begin, protocol::frame_header_bytes));
  channel.begin_frame({begin, protocol::frame_header_bytes + frame_bytes}, std::move(slot));
}

void send(const Options& options, std::unique_ptr<wire::Connection> companion, bench::Begin& begin) {
  End end(options, std::move(companion), true);
  wire::Channel& channel = end.channel();
  std::uint64_t begun = 0;
  while (begun < options.frames() || channel.health().acks < options.frames()) {
    const wire::Incoming heard = channel.receive(nullptr);
    if (heard.kind == wire::Incoming::Kind::failed) die(heard.error);
    if (auto flushed = channel.flush(); !flushed) die(flushed.error());
    if (begun < options.frames() && !channel.sending()) {
      if (begun == 0) begin.now();  // both ends are open, and slots are granted
      if (Slot slot = channel.send_slots()->take()) {
        begin_frame(channel, std::move(slot), static_cast<std::uint32_t>(options.kib << 10), options.digests);
        ++begun;
        continue;
      }
    }
    end.wait();
  }
}

void check(const wire::Incoming& in) {
  for (std::size_t i = 0; i < in.header.leaf_count; ++i)
    if (longhaul::digest_of({in.slot.payload() + i * protocol::leaf_bytes, protocol::leaf_bytes}) !=
        in.header.leaves[i])
      die({longhaul::Code::corrupt, "a digest differs"});
}

void receive(const Options& options, std::unique_ptr<wire::Connection> companion, bench::Begin& begin) {
  End end(options, std::move(companion), false);
  wire::Channel& channel = end.channel();
  SlotPool pool(2);
  bool open = false;
  for (std::uint64_t arrived = 0;;) {
    const wire::Incoming in = channel.receive(&pool);
    if (!std::exchange(open, true)) begin.now();
    if (in.kind == wire::Incoming::Kind::frame) {
      if (options.digests) check(in);
      ++arrived;
      continue;
    }
    if (in.kind == wire::Incoming::Kind::failed || in.kind == wire::Incoming::Kind::closed) {
      if (arrived == options.frames()) return;  // the sender has heard that, and is gone
      die(in.kind == wire::Incoming::Kind::failed
              ? in.error
              : longhaul::Error{longhaul::Code::connection, "the sender has ended", 0});
    }
    if (auto flushed = channel.flush(); !flushed && arrived < options.frames()) die(flushed.error());
    end.wait();
  }
}

Options parse(int argc, char** argv) {
  Options options;
  bool fine = argc >= 2;
  for (int i = 1; fine && i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--digests") {
      options.digests = true;
    } else if (word == "--mib" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], std::numeric_limits<std::uint64_t>::max(), options.mib);
    } else if (word == "--slots" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], longhaul::path_slots_max, options.slots) &&
             options.slots >= longhaul::path_slots_min;
    } else if (word == "--kib" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], protocol::frame_bytes_max >> 10, options.kib) &&
             options.kib >= protocol::frame_bytes_min >> 10 && std::has_single_bit(options.kib);
    } else {
      fine = !word.starts_with("--") && options.provider.empty();
      options.provider = word;
    }
  }
  if (!fine || options.provider.empty()) {
    std::fputs("usage: rail PROVIDER [--mib N] [--kib 256|512|1024] [--slots 2..256] [--digests]\n", stderr);
    std::exit(2);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const auto tcp = wire::make_tcp_wire();
  auto listener = good(tcp->listen("127.0.0.1:0"));
  const auto cost = bench::run_two_ends(
      [&](bench::Begin& begin) {
        std::unique_ptr<wire::Connection> dialled = good(tcp->dial({.remote = listener->address()}));
        listener.reset();
        send(options, std::move(dialled), begin);
      },
      [&](bench::Begin& begin) {
        std::unique_ptr<wire::Connection> accepted;
        while (!accepted) accepted = listener->accept();
        receive(options, std::move(accepted), begin);
      },
      [&] { listener.reset(); });
  bench::print(
      cost, options.mib << 20,
      fmt::format("\"way\": \"{}\", \"provider\": \"{}\"", options.digests ? "digests" : "rail", options.provider));
  return 0;
}
