// What kernel and CPU carry over loopback: the channels of a transfer, with nothing in front of them and behind.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/slots.h"
#include "disk/system_disk.h"
#include "engine/bench_measure.h"
#include "engine/network_settings.h"
#include "longhaul/units.h"
#include "protocol/frame.h"
#include "ring/ring.h"
#include "security/seal.h"
#include "wire/channel.h"
#include "wire/tcp.h"

namespace longhaul {
namespace {

constexpr std::size_t frame_bytes = protocol::frame_bytes_min;
constexpr unsigned streams_usual = 2;
constexpr Time look_every = second / 5;  // for a stop, while nothing moves
constexpr Time connect_within = 5 * second;

std::unique_ptr<Poller> make_poller() {
  if (auto ring = ring::Ring::make(system_clock())) return *std::move(ring);
  return ring::make_poll_poller(system_clock());
}

void wait(Poller& poller) {
  const Time now = system_clock().now();
  poller.wait(now, now + look_every);
}

struct Ends {
  std::unique_ptr<wire::Channel> sender;
  std::unique_ptr<wire::Channel> receiver;
};

std::unique_ptr<wire::Channel> channel_on(std::unique_ptr<wire::Connection> connection, Cipher cipher, bool dialled) {
  if (cipher == Cipher::none) return std::make_unique<wire::Channel>(std::move(connection));
  security::Secret secret{};  // nobody else is at the other end
  return std::make_unique<wire::Channel>(std::move(connection), std::vector<std::byte>(),
                                         security::make_seals(cipher, secret, dialled));
}

Result<Ends> connect(wire::Wire& tcp, Cipher cipher, const std::string& congestion) {
  const auto listener = tcp.listen("127.0.0.1:0");
  if (!listener) return std::unexpected(listener.error());
  auto sender = tcp.dial({.remote = (*listener)->address(), .congestion = congestion});
  if (!sender) return std::unexpected(sender.error());
  const auto poller = ring::make_poll_poller(system_clock());
  const Time until = system_clock().now() + connect_within;
  std::unique_ptr<wire::Connection> receiver;
  while (!receiver && system_clock().now() < until) {
    receiver = (*listener)->accept();
    if (receiver) break;
    (*listener)->watch(*poller);
    wait(*poller);
  }
  (*listener)->unwatch(*poller);
  if (!receiver)
    return fail(Code::connection,
                fmt::format("cannot connect to {} within {} s: look whether the interface lo is up, and whether a "
                            "firewall drops what goes through it",
                            (*listener)->address(), connect_within / second));
  return Ends{channel_on(*std::move(sender), cipher, true), channel_on(std::move(receiver), cipher, false)};
}

/// One figure being taken. The first thing that goes wrong ends it.
class Run {
 public:
  Run(double seconds, StopFlag* stop)
      : until_(system_clock().now() + static_cast<Time>(seconds * static_cast<double>(second))), stop_(stop) {}

  void send(wire::Channel& channel);
  void receive(wire::Channel& channel);
  [[nodiscard]] Result<std::uint64_t> bytes() const {
    if (failure_) return std::unexpected(*failure_);
    return bytes_;
  }

 private:
  [[nodiscard]] bool over() const { return failed_ || engine::is_set(stop_) || system_clock().now() >= until_; }
  bool flush(wire::Channel& channel, Poller& poller);
  void fail_with(Error error);

  Time until_;
  StopFlag* stop_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::optional<Error> failure_;
};

void Run::fail_with(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
  failed_ = true;
}

/// As a sending worker does it: a digest, a header, a seal, all in one slot that stays in the cache.
void Run::send(wire::Channel& channel) {
  const auto poller = make_poller();
  SlotPool pool(1);
  const Slot slot = pool.take();
  const Bytes payload(slot.payload(), frame_bytes);
  engine::fill_incompressible(payload, 1);
  std::byte* const begin = slot.before_payload(protocol::frame_header_bytes);
  protocol::FrameHeader header;
  header.transfer = 1;
  header.raw_bytes = header.wire_bytes = static_cast<std::uint32_t>(frame_bytes);
  header.leaf_count = 1;
  while (!over()) {
    header.leaves[0] = digest_of(payload);
    protocol::encode_frame_header(
        header, std::span<std::byte, protocol::frame_header_bytes>(begin, protocol::frame_header_bytes));
    channel.begin_frame({begin, protocol::frame_header_bytes + frame_bytes});
    if (!flush(channel, *poller)) break;
  }
  channel.unwatch(*poller);
}

/// False: it is over. A frame that is half out goes with its connection.
bool Run::flush(wire::Channel& channel, Poller& poller) {
  for (;;) {
    if (auto flushed = channel.flush(); !flushed) {
      fail_with(flushed.error());
      return false;
    }
    if (!channel.sending()) return true;
    if (over()) return false;
    channel.watch(poller, true);
    wait(poller);
  }
}

/// As a receiving worker does it: what is sealed is proven by its tag, else by its digest. Until the sender has closed.
void Run::receive(wire::Channel& channel) {
  const auto poller = make_poller();
  SlotPool pool(2);
  std::uint64_t bytes = 0;
  for (;;) {
    const wire::Incoming in = channel.receive(&pool);
    if (in.kind == wire::Incoming::Kind::nothing) {
      if (failed_) break;
      channel.watch(*poller);
      wait(*poller);
      continue;
    }
    if (in.kind != wire::Incoming::Kind::frame) {
      if (!over()) fail_with(in.error);
      break;
    }
    const ConstBytes payload(in.slot.payload(), in.header.wire_bytes);
    if (!channel.sealed() && digest_of(payload) != in.header.leaves[0]) {
      fail_with({Code::corrupt,
                 "what arrived over loopback is not what was sent: this machine's memory or processor is "
                 "not to be trusted; test it"});
      break;
    }
    bytes += payload.size();
  }
  channel.unwatch(*poller);
  bytes_ += bytes;
}

Result<BenchRate> carry(std::vector<Ends> streams, double seconds, StopFlag* stop) {
  const engine::Stopwatch watch;
  Run run(seconds, stop);
  {
    std::vector<std::jthread> threads;
    for (Ends& ends : streams) {
      threads.emplace_back([&run, &ends] {
        run.send(*ends.sender);
        ends.sender.reset();  // which tells the receiver
      });
      threads.emplace_back([&run, &ends] {
        run.receive(*ends.receiver);
        ends.receiver.reset();
      });
    }
  }
  const auto bytes = run.bytes();
  if (!bytes) return std::unexpected(bytes.error());
  return watch.taken_for(*bytes);
}

struct Wanted {
  Cipher cipher;
  std::string congestion;
};

Result<WireFigure> measure(wire::Wire& tcp, const Wanted& wanted, unsigned streams, double seconds, StopFlag* stop) {
  std::vector<Ends> ends;
  for (unsigned i = 0; i < streams; ++i) {
    auto made = connect(tcp, wanted.cipher, wanted.congestion);
    if (!made) return std::unexpected(made.error());
    ends.push_back(*std::move(made));
  }
  const auto rate = carry(std::move(ends), seconds, stop);
  if (!rate) return std::unexpected(rate.error());
  return WireFigure{.cipher = wanted.cipher, .congestion = wanted.congestion, .rate = *rate};
}

std::vector<Wanted> wanted_by(const WireBenchOptions& options, wire::Wire& tcp, const std::string& of_system) {
  const bool usual_works = tcp.offers_congestion(wire::usual_congestion).has_value();
  const std::string usual = usual_works || of_system.empty() ? wire::usual_congestion : of_system;
  const Cipher cipher = options.cipher == Cipher::automatic ? Cipher::aes_256_gcm : options.cipher;
  std::vector<Wanted> wanted = {{Cipher::none, usual}};
  if (cipher != Cipher::none) wanted.push_back({cipher, usual});
  if (!of_system.empty() && of_system != usual) wanted.push_back({Cipher::none, of_system});
  return wanted;
}

void hint_at_windows(const engine::NetworkSettings& settings, std::vector<std::string>& hints) {
  constexpr std::uint64_t wanted_bytes = std::uint64_t{64} << 20U;
  const std::uint64_t most = settings.send.most;
  if (most == 0 || (most >= wanted_bytes && settings.receive.most >= wanted_bytes)) return;
  constexpr double far_s = 0.1;
  hints.push_back(fmt::format(
      "for long paths: windows end at {} here (send) and {} (receive): one stream carries at most {} over a round trip "
      "of 100 ms. On both machines, as root: {}; {}",
      format_bytes(most), format_bytes(settings.receive.most), format_rate(static_cast<double>(most) / far_s),
      engine::sysctl_line("tcp_wmem", settings.send, std::max(most, wanted_bytes)),
      engine::sysctl_line("tcp_rmem", settings.receive, std::max(settings.receive.most, wanted_bytes))));
}

std::vector<std::string> hints_of(const WireBench& bench, const engine::NetworkSettings& settings) {
  std::vector<std::string> hints;
  const WireFigure& plain = bench.figures.front();
  const WireFigure& last = bench.figures.back();
  const bool paces = last.congestion == "bbr" && last.rate.bytes_per_s() < plain.rate.bytes_per_s();
  if (last.congestion != plain.congestion)
    hints.push_back(fmt::format(
        "the system's congestion control is {}: {} where {} carries {}{}. Longhaul begins each path with {} where that "
        "is permitted; other programs, and cc=system, have {}",
        last.congestion, format_rate(last.rate.bytes_per_s()), plain.congestion, format_rate(plain.rate.bytes_per_s()),
        paces ? " (bbr paces, even loopback)" : "", wire::usual_congestion, last.congestion));
  else if (plain.congestion != wire::usual_congestion)
    hints.push_back(
        fmt::format("{} is not to be had here, so paths have {}, which is slower on clean lines if it paces: "
                    "modprobe tcp_cubic, or add it to net.ipv4.tcp_allowed_congestion_control",
                    wire::usual_congestion, plain.congestion));
  if (plain.rate.cpu_seconds > 0.85 * bench.cores * plain.rate.seconds)
    hints.push_back(
        fmt::format("all {} cores were busy, with both ends: between two machines each end has its own, and "
                    "does about half of this work",
                    bench.cores));
  hint_at_windows(settings, hints);
  return hints;
}

}  // namespace

Result<WireBench> bench_wire(const WireBenchOptions& options, const BenchProgress& progress, StopFlag* stop) {
  disk::raise_file_limit();
  const auto disk = disk::make_system_disk(nullptr);
  const engine::NetworkSettings settings = engine::network_settings(*disk);
  const auto tcp = wire::make_tcp_wire();
  WireBench bench{.streams = options.streams > 0 ? options.streams : streams_usual,
                  .cores = engine::cores_of_this_machine(),
                  .system_congestion = settings.congestion,
                  .send_window_max = settings.send.most,
                  .receive_window_max = settings.receive.most};
  for (const Wanted& wanted : wanted_by(options, *tcp, settings.congestion)) {
    if (progress) progress(fmt::format("{}, {}", name_of(wanted.cipher), wanted.congestion));
    auto figure = measure(*tcp, wanted, bench.streams, options.seconds, stop);
    if (engine::is_set(stop)) return engine::bench_stopped();
    if (!figure) return std::unexpected(figure.error());
    bench.figures.push_back(*std::move(figure));
  }
  bench.hints = hints_of(bench, settings);
  return bench;
}

}  // namespace longhaul
