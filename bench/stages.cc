// One stage at a time (Google Benchmark): digest, seal, slots, frame headers, the channel over loopback, the disk.
// The disk's run only where LONGHAUL_BENCH_DIR names a directory.

#include <benchmark/benchmark.h>

#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/slots.h"
#include "chunk/packing.h"
#include "disk/system_disk.h"
#include "protocol/frame.h"
#include "ring/ring.h"
#include "security/aead.h"
#include "wire/channel.h"
#include "wire/tcp.h"

namespace {

namespace disk = longhaul::disk;
namespace protocol = longhaul::protocol;
namespace ring = longhaul::ring;
namespace security = longhaul::security;
namespace wire = longhaul::wire;
using longhaul::Code;
using longhaul::ConstBytes;
using longhaul::digest_of;
using longhaul::Error;
using longhaul::Poller;
using longhaul::Result;
using longhaul::second;
using longhaul::Slot;
using longhaul::slot_payload_bytes;
using longhaul::SlotPool;
using longhaul::system_clock;
using longhaul::Time;

constexpr std::size_t leaf = protocol::leaf_bytes;

std::vector<std::byte> random_bytes(std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  std::mt19937_64 random(1);
  for (std::size_t at = 0; at + 8 <= bytes; at += 8) longhaul::store(data.data() + at, random());
  return data;
}

void count_bytes(benchmark::State& state, std::size_t bytes_each) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes_each));
}

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "stages: %s\n", error.text.c_str());
  std::exit(1);
}

template <class T>
T good(Result<T> result) {
  if (!result) die(result.error());
  return std::move(*result);
}

void wait_a_second(Poller& poller) {
  const Time now = system_clock().now();
  poller.wait(now, now + second);
}

// --- memory ----------------------------------------------------------------------------------------------------------

/// Leaves digested one after the other out of `range(0)` MiB: 0 is one leaf, which stays in L2.
void digest(benchmark::State& state) {
  const auto data = random_bytes(std::max<std::size_t>(static_cast<std::size_t>(state.range(0)) << 20, leaf));
  std::size_t at = 0;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(digest_of({data.data() + at, leaf}));
    at = (at + leaf) % data.size();
  }
  count_bytes(state, leaf);
}
BENCHMARK(digest)->ArgName("MiB")->Arg(0)->Arg(1)->Arg(512);

/// Records of one frame sealed in place, and opened again: `range(1)` buffers in turn, 1 of which stays in L2.
/// `range(0)` is a Cipher.
void seal_and_open(benchmark::State& state) {
  const auto aead = security::make_aead(static_cast<longhaul::Cipher>(state.range(0)));
  aead->set_key(random_bytes(aead->key_bytes()));
  auto data = random_bytes(static_cast<std::size_t>(state.range(1)) * slot_payload_bytes);
  std::array<std::byte, security::tag_bytes> tag{};
  std::size_t at = 0;
  for ([[maybe_unused]] auto _ : state) {
    const longhaul::Bytes payload{data.data() + at, slot_payload_bytes};
    aead->seal({}, {}, payload, {}, tag);
    if (!aead->open({}, {}, payload, {}, tag)) state.SkipWithError("what was sealed does not open");
    at = (at + slot_payload_bytes) % data.size();
  }
  state.SetLabel(std::string(aead->library()));
  count_bytes(state, slot_payload_bytes);
}
BENCHMARK(seal_and_open)
    ->ArgNames({"cipher", "buffers"})
    ->ArgsProduct({{static_cast<int>(longhaul::Cipher::aes_256_gcm), static_cast<int>(longhaul::Cipher::aes_128_gcm),
                    static_cast<int>(longhaul::Cipher::chacha20_poly1305)},
                   {1, 64}});

/// As training runs log: zstd makes about a third of it.
std::vector<std::byte> log_lines(std::size_t bytes) {
  std::string text;
  std::mt19937_64 random(1);
  while (text.size() < bytes) {
    char line[120];
    std::snprintf(line, sizeof line, "%08zu step loss=%.4f grad_norm=%.4f tokens/s=%u host=node%02u\n", text.size(),
                  static_cast<double>(random() % 30000) / 10000, static_cast<double>(random() % 10000) / 10000,
                  static_cast<unsigned>(90000 + random() % 9999), static_cast<unsigned>(random() % 64));
    text += line;
  }
  const ConstBytes all = longhaul::bytes_of(text);
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

/// Weights near zero, as bfloat16: signs and mantissas are noise, exponents are not.
std::vector<std::byte> bfloat16_weights(std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  std::mt19937_64 random(1);
  std::normal_distribution<float> weight(0, 0.02F);
  for (std::size_t at = 0; at + 2 <= bytes; at += 2) {
    const auto bits = std::bit_cast<std::uint32_t>(weight(random));
    longhaul::store(data.data() + at, static_cast<std::uint16_t>(bits >> 16U));
  }
  return data;
}

std::vector<std::byte> content_of(std::int64_t kind, std::size_t bytes) {
  return kind == 0 ? log_lines(bytes) : kind == 1 ? bfloat16_weights(bytes) : random_bytes(bytes);
}

/// Frames of content 0: log lines, 1: bfloat16 weights, 2: random bytes. `packed`: the part that is left.
void pack(benchmark::State& state) {
  const auto raw = content_of(state.range(1), slot_payload_bytes);
  std::vector<std::byte> packed(slot_payload_bytes - slot_payload_bytes / 32);
  longhaul::chunk::Packer packer(static_cast<int>(state.range(0)));
  std::size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) bytes = packer.pack(raw, packed);
  state.counters["packed"] = bytes == 0 ? 1 : static_cast<double>(bytes) / static_cast<double>(raw.size());
  count_bytes(state, raw.size());
}
BENCHMARK(pack)->ArgNames({"level", "content"})->ArgsProduct({{-20, -5, 1, 3, 9, 19}, {0, 1, 2}});

/// Bytes are those that come out.
void unpack(benchmark::State& state) {
  const auto raw = content_of(state.range(1), slot_payload_bytes);
  std::vector<std::byte> packed(slot_payload_bytes + 4096);
  longhaul::chunk::Packer packer(static_cast<int>(state.range(0)));
  packed.resize(packer.pack(raw, packed));
  std::vector<std::byte> again(raw.size());
  longhaul::chunk::Unpacker unpacker;
  for ([[maybe_unused]] auto _ : state)
    if (!unpacker.unpack(packed, again)) state.SkipWithError("what was packed does not unpack");
  count_bytes(state, raw.size());
}
BENCHMARK(unpack)->ArgNames({"level", "content"})->ArgsProduct({{1, 3, 19}, {0, 1}});

void slot_take_and_give_back(benchmark::State& state) {
  SlotPool pool(4);
  for ([[maybe_unused]] auto _ : state) {
    Slot slot = pool.take();
    benchmark::DoNotOptimize(slot.payload());
  }
}
BENCHMARK(slot_take_and_give_back);

protocol::FrameHeader header_of(ConstBytes payload) {
  protocol::FrameHeader header;
  header.transfer = 1;
  header.raw_bytes = header.wire_bytes = static_cast<std::uint32_t>(payload.size());
  header.leaf_count = 1;
  header.leaves[0] = digest_of(payload);
  return header;
}

void frame_header_encode(benchmark::State& state) {
  const auto header = header_of(random_bytes(leaf));
  std::array<std::byte, protocol::frame_header_bytes> bytes;
  for ([[maybe_unused]] auto _ : state) {
    protocol::encode_frame_header(header, bytes);
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(frame_header_encode);

void frame_header_decode(benchmark::State& state) {
  std::array<std::byte, protocol::frame_header_bytes> bytes;
  protocol::encode_frame_header(header_of(random_bytes(leaf)), bytes);
  for ([[maybe_unused]] auto _ : state) {
    const auto header = protocol::decode_frame_header(bytes);
    if (!header) die(header.error());
    benchmark::DoNotOptimize(header->chunk);
  }
}
BENCHMARK(frame_header_decode);

// --- wire ------------------------------------------------------------------------------------------------------------

struct Ends {
  std::unique_ptr<wire::Connection> sender;
  std::unique_ptr<wire::Connection> receiver;
};

Ends connect_loopback(const std::string& congestion) {
  const auto tcp = wire::make_tcp_wire();
  const auto listener = good(tcp->listen("127.0.0.1:0"));
  Ends ends;
  ends.sender = good(tcp->dial({.remote = listener->address(), .congestion = congestion}));
  while (!ends.receiver || !ends.sender->connected()) {
    if (!ends.receiver) ends.receiver = listener->accept();
  }
  return ends;
}

/// The sender of null ends: one buffer, sent `frames` times.
void send_frames(wire::Channel& channel, std::size_t frames, bool digests) {
  const auto poller = ring::make_poll_poller(system_clock());
  SlotPool pool(1);
  const Slot slot = pool.take();
  std::byte* const begin = slot.before_payload(protocol::frame_header_bytes);
  const std::span<std::byte, protocol::frame_header_bytes> head(begin, protocol::frame_header_bytes);
  protocol::FrameHeader header = header_of({slot.payload(), leaf});
  for (std::size_t i = 0; i < frames; ++i) {
    if (digests) header.leaves[0] = digest_of({slot.payload(), leaf});
    protocol::encode_frame_header(header, head);
    channel.begin_frame({begin, protocol::frame_header_bytes + leaf});
    while (channel.sending()) {
      if (auto flushed = channel.flush(); !flushed) die(flushed.error());
      if (!channel.sending()) break;
      channel.watch(*poller, true);
      wait_a_second(*poller);
    }
  }
  channel.unwatch(*poller);
}

/// And the receiver, which throws them away.
void receive_frames(wire::Channel& channel, std::size_t frames, bool digests) {
  const auto poller = ring::make_poll_poller(system_clock());
  SlotPool pool(2);
  while (frames > 0) {
    const wire::Incoming incoming = channel.receive(&pool);
    if (incoming.kind == wire::Incoming::Kind::nothing) {
      channel.watch(*poller);
      wait_a_second(*poller);
      continue;
    }
    if (incoming.kind != wire::Incoming::Kind::frame) die(incoming.error);
    const ConstBytes payload(incoming.slot.payload(), incoming.header.wire_bytes);
    if (digests && digest_of(payload) != incoming.header.leaves[0]) die({Code::corrupt, "a digest differs"});
    --frames;
  }
  channel.unwatch(*poller);
}

/// Memory to nothing: two threads, frames of one leaf, without and with digests at both ends.
void channel(benchmark::State& state, const char* congestion) {
  constexpr std::size_t frames = 1024;
  const bool digests = state.range(0) != 0;
  Ends ends = connect_loopback(congestion);
  wire::Channel sender(std::move(ends.sender));
  wire::Channel receiver(std::move(ends.receiver));
  for ([[maybe_unused]] auto _ : state) {
    const std::jthread thread([&] { receive_frames(receiver, frames, digests); });
    send_frames(sender, frames, digests);
  }
  count_bytes(state, frames * leaf);
}
BENCHMARK_CAPTURE(channel, cubic, "cubic")->ArgName("digests")->Arg(0)->Arg(1)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(channel, system, "")->ArgName("digests")->Arg(0)->Arg(1)->UseRealTime()->MeasureProcessCPUTime();

// --- disk ------------------------------------------------------------------------------------------------------------

constexpr std::uint64_t disk_file_bytes = 256 * 1024 * 1024;
constexpr std::size_t depth = 4;

/// Runs one pass over the file with `depth` operations of one slot in flight.
void pass(disk::Disk& disk, Poller& poller, disk::OpenFile& file, disk::Operation::Kind kind, SlotPool& pool) {
  std::array<disk::Operation, depth> operations;
  std::array<Slot, depth> slots;
  std::uint64_t next = 0;
  const auto submit = [&](disk::Operation& operation) {
    const std::byte* const memory = slots[static_cast<std::size_t>(&operation - operations.data())].payload();
    operation = {.kind = kind,
                 .file = &file,
                 .data = const_cast<std::byte*>(memory),
                 .offset = next,
                 .bytes = slot_payload_bytes};
    next += slot_payload_bytes;
    disk.submit(operation);
  };
  for (std::size_t i = 0; i < depth; ++i) {
    slots[i] = pool.take();
    submit(operations[i]);
  }
  while (disk.in_flight() > 0) {
    disk::Operation* const done = disk.reap();
    if (done == nullptr) {
      wait_a_second(poller);
    } else if (done->result != static_cast<std::int64_t>(slot_payload_bytes)) {
      die(longhaul::error_of_errno(static_cast<int>(-done->result), "the disk bench"));
    } else if (next < disk_file_bytes) {
      submit(*done);
    }
  }
}

/// One pass over a file of 256 MiB, which the writes rewrite; no sync.
void disk_pass(benchmark::State& state, disk::Operation::Kind kind) {
  const char* const directory = std::getenv("LONGHAUL_BENCH_DIR");
  if (directory == nullptr) {
    state.SkipWithError("left out: LONGHAUL_BENCH_DIR names no directory");
    return;
  }
  const bool direct = state.range(0) != 0;
  const auto ring = good(ring::Ring::make(system_clock()));
  const auto disk = disk::make_system_disk(ring.get());
  const auto root = good(disk->open_root(directory));
  constexpr const char* name = "longhaul-stages.bin";
  const auto file = good(disk->open_file(root, name, disk::Open::create_or_open, direct));
  SlotPool pool(depth);
  disk->register_memory(pool.arena());
  pass(*disk, *ring, *file, disk::Operation::Kind::write, pool);
  for ([[maybe_unused]] auto _ : state) pass(*disk, *ring, *file, kind, pool);
  count_bytes(state, disk_file_bytes);
  state.SetLabel(file->alignment() > 1 ? "O_DIRECT" : "buffered");
  if (auto removed = disk->unlink(root, name); !removed) die(removed.error());
}

BENCHMARK_CAPTURE(disk_pass, write, disk::Operation::Kind::write)->ArgName("direct")->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK_CAPTURE(disk_pass, read, disk::Operation::Kind::read)->ArgName("direct")->Arg(0)->Arg(1)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
