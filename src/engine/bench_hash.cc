// What one core, and all of them, can digest, seal and pack.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "base/processor.h"
#include "chunk/packing.h"
#include "engine/bench_measure.h"
#include "longhaul/units.h"
#include "protocol/frame.h"
#include "security/aead.h"
#include "security/sha256.h"

namespace longhaul {
namespace {

using engine::Work;

constexpr std::size_t piece_bytes = protocol::frame_bytes_min;  // stays in the cache, as it does in a transfer
constexpr std::array ciphers = {Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305};
using Piece = std::vector<std::byte>;

Piece random_piece() {
  Piece piece(piece_bytes);
  engine::fill_incompressible(piece, 1);
  return piece;
}

Work digesting() {
  return [piece = random_piece()]() mutable {
    store(piece.data(), digest_of(piece));
    return std::uint64_t{piece_bytes};
  };
}

Work digesting_sha256() {
  return [piece = random_piece()]() mutable {
    store(piece.data(), security::sha256_of({piece}));
    return std::uint64_t{piece_bytes};
  };
}

struct Sealed {
  explicit Sealed(Cipher cipher) : aead(security::make_aead(cipher)), piece(random_piece()) {
    aead->set_key(ConstBytes(piece).first(aead->key_bytes()));
  }
  void seal() { aead->seal({}, {}, piece, {}, tag); }
  [[nodiscard]] bool open() { return aead->open({}, {}, piece, {}, tag); }

  std::unique_ptr<security::Aead> aead;
  Piece piece;
  std::array<std::byte, security::tag_bytes> tag{};
};

Work sealing(Cipher cipher) {
  return [it = std::make_shared<Sealed>(cipher)] {
    it->seal();
    return std::uint64_t{piece_bytes};
  };
}

/// These ciphers undo what they do: each second opening meets what was opened, finds that it is not what was sealed,
/// and leaves behind what was. Both do the same work.
Work opening(Cipher cipher) {
  auto it = std::make_shared<Sealed>(cipher);
  it->seal();
  return [it, right = true]() mutable {
    LH_CHECK(it->open() == right, "what was sealed opens, and nothing else does");
    right = !right;
    return std::uint64_t{piece_bytes};
  };
}

/// As training runs log: zstd makes about a third of it.
Piece log_lines() {
  std::string text;
  std::uint64_t step = 0;
  while (text.size() < piece_bytes) {
    std::array<std::byte, 16> noise{};
    engine::fill_incompressible(noise, ++step);
    text += fmt::format("{:08} step loss=0.{:05} tokens/s={} host=node{:02}\n", text.size(),
                        load<std::uint32_t>(noise.data()) % 100'000,
                        90'000 + load<std::uint16_t>(noise.data() + 4) % 10'000,
                        load<std::uint16_t>(noise.data() + 8) % 64);
  }
  const ConstBytes all = bytes_of(text).first(piece_bytes);
  return {all.begin(), all.end()};
}

struct Packed {
  chunk::Packer packer{1};
  chunk::Unpacker unpacker;
  Piece raw = log_lines();
  Piece packed = Piece(piece_bytes);
};

Work packing() {
  return [it = std::make_shared<Packed>()] {
    LH_CHECK(it->packer.pack(it->raw, it->packed) > 0, "log lines can be packed");
    return std::uint64_t{piece_bytes};
  };
}

Work unpacking() {
  auto it = std::make_shared<Packed>();
  it->packed.resize(it->packer.pack(it->raw, it->packed));
  return [it] {
    LH_CHECK(it->unpacker.unpack(it->packed, it->raw), "what was packed unpacks");
    return std::uint64_t{piece_bytes};
  };
}

struct Kind {
  std::string what;
  std::string implementation;
  std::function<Work()> make;
};

std::vector<Kind> all_kinds(const Processor& processor) {
  const std::string vectors = processor.vectors.empty() ? "" : ", " + processor.vectors;
  std::vector<Kind> kinds = {{"xxh3-128", "xxHash" + vectors, digesting}};
  for (const Cipher cipher : ciphers) {
    const std::string library(security::make_aead(cipher)->library());
    kinds.push_back({fmt::format("{} seal", name_of(cipher)), library, [cipher] { return sealing(cipher); }});
    kinds.push_back({fmt::format("{} open", name_of(cipher)), library, [cipher] { return opening(cipher); }});
  }
  kinds.push_back({"sha-256", processor.sha ? "OpenSSL, sha" : "OpenSSL", digesting_sha256});
  kinds.push_back({"zstd:1 pack", "zstd", packing});
  kinds.push_back({"zstd:1 unpack", "zstd", unpacking});
  return kinds;
}

const HashFigure& figure(const HashBench& bench, const std::string& what) {
  const auto found = std::ranges::find(bench.figures, what, &HashFigure::what);
  LH_CHECK(found != bench.figures.end(), "a figure that was measured");
  return *found;
}

/// By its CPU, which other programs disturb less than its time.
double bytes_per_cpu_s(const BenchRate& rate) {
  return rate.cpu_seconds > 0 ? static_cast<double>(rate.bytes) / rate.cpu_seconds : 0;
}

double seal_rate(const HashBench& bench, Cipher cipher) {
  return bytes_per_cpu_s(figure(bench, fmt::format("{} seal", name_of(cipher))).one);
}

std::string quicker(const HashBench& bench, Cipher cipher) {
  return fmt::format("{} seals {} a core here, and aes-256-gcm {}: --cipher {} where that is enough for you",
                     name_of(cipher), format_rate(seal_rate(bench, cipher)),
                     format_rate(seal_rate(bench, Cipher::aes_256_gcm)), name_of(cipher));
}

std::vector<std::string> hints_of(const HashBench& bench, const Processor& processor) {
  constexpr double worth_it = 1.15;
  std::vector<std::string> hints;
  const double usual = seal_rate(bench, Cipher::aes_256_gcm);
  if (seal_rate(bench, Cipher::chacha20_poly1305) > worth_it * usual) {
    const char* const why = processor.known && !processor.aes ? "this processor has no AES instructions: " : "";
    hints.push_back(why + quicker(bench, Cipher::chacha20_poly1305));
  } else if (seal_rate(bench, Cipher::aes_128_gcm) > worth_it * usual) {
    hints.push_back(quicker(bench, Cipher::aes_128_gcm));
  }
#if defined(__x86_64__)
  if (processor.aes && figure(bench, "aes-256-gcm seal").implementation == "OpenSSL")
    hints.emplace_back(
        "AES-GCM comes from OpenSSL, for this build has no ipsec-mb, which takes down to a quarter of the time: build "
        "Longhaul with libipsec-mb-dev installed");
#endif
  if (processor.known && !processor.sha)
    hints.emplace_back(
        "this processor has no SHA instructions: where nobody makes up content to deceive you, --trust-xxh spares "
        "--delta and --checksum the SHA-256");
  const HashFigure& digest = figure(bench, "xxh3-128");
  const double together = digest.all.bytes_per_s() / std::max(1.0, digest.one.bytes_per_s());
  if (bench.cores > 1 && together < 0.7 * bench.cores)
    hints.push_back(
        fmt::format("{} cores together do {:.1f} times what one does: other programs use them (look at "
                    "top), or they are threads of fewer cores, or they slow down together",
                    bench.cores, together));
  return hints;
}

}  // namespace

Result<HashBench> bench_hash(const HashBenchOptions& options, const BenchProgress& progress, StopFlag* stop) {
  const Processor processor = this_processor();
  HashBench bench{.cores = engine::cores_of_this_machine(), .instructions = processor.text()};
  for (const Kind& kind : all_kinds(processor)) {
    if (progress) progress(kind.what);
    HashFigure figure{.what = kind.what, .implementation = kind.implementation};
    figure.one = engine::repeat(1, options.seconds, stop, kind.make);
    figure.all = engine::repeat(bench.cores, options.seconds, stop, kind.make);
    if (engine::is_set(stop)) return engine::bench_stopped();
    bench.figures.push_back(std::move(figure));
  }
  bench.hints = hints_of(bench, processor);
  return bench;
}

}  // namespace longhaul
