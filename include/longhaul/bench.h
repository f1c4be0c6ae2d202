// What this machine can do by itself, part by part: the rate of a transfer means little without the rates of what it is
// made of. Each bench uses the code that a transfer uses, with nothing at its other end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "longhaul/options.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul {

/// Bytes that something was done with, how long that took, and what CPU it cost.
struct BenchRate {
  std::uint64_t bytes = 0;
  double seconds = 0;
  double cpu_seconds = 0;  ///< user and system, of the whole process

  [[nodiscard]] double bytes_per_s() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
  [[nodiscard]] double cpu_s_per_gib() const {
    constexpr double gib = 1024.0 * 1024 * 1024;
    return bytes > 0 ? cpu_seconds / (static_cast<double>(bytes) / gib) : 0;
  }
};

/// What is being measured now, in a few words. Called on the caller's thread.
using BenchProgress = std::function<void(const std::string& what)>;

// Every bench: blocks until it is done; `stop` may be null. Errors: interrupted; else as each one says. `hints` is what
// could be changed, in the order of what it would bring; empty: nothing is known that would.

// --- digests, seals, packing ---------------------------------------------------------------------------------------

struct HashBenchOptions {
  double seconds = 0.25;  ///< of each figure
};
struct HashFigure {
  std::string what;            ///< "xxh3-128", "aes-256-gcm seal"
  std::string implementation;  ///< "xxHash, avx512", "ipsec-mb"
  BenchRate one;               ///< by one thread
  BenchRate all;               ///< by as many threads as there are cores, at once
};
struct HashBench {
  unsigned cores = 0;
  std::string instructions;  ///< those that matter here: "avx512 aes vaes sha"; empty: not known
  std::vector<HashFigure> figures;
  std::vector<std::string> hints;
};
/// In memory, from buffers that stay in the cache, as a transfer's do.
[[nodiscard]] Result<HashBench> bench_hash(const HashBenchOptions& options, const BenchProgress& progress,
                                           StopFlag* stop);

// --- disk ------------------------------------------------------------------------------------------------------------

struct DiskBenchOptions {
  std::string directory;                          ///< is written in; empty: only `read_file` is read
  std::string read_file;                          ///< a file that is there; empty: what was written is read
  std::uint64_t bytes = std::uint64_t{1} << 30U;  ///< written, and read; whole MiB, rounded up
  bool direct = true;                             ///< with O_DIRECT where the file system offers it
};
/// Small files: each created, written, synced (fsync) and renamed, one after the other.
struct SmallFiles {
  unsigned files = 0;
  std::uint32_t bytes_each = 0;
  double per_s = 0;
  double median_s = 0;
  double slowest_s = 0;
};
/// What the file system of a directory has.
struct DiskAbilities {
  bool in_memory = false;  ///< no device behind it: nothing to sync
  bool direct = false;     ///< O_DIRECT
  bool allocate = false;   ///< fallocate
  bool holes = false;      ///< are kept, and told of
  bool reflink = false;    ///< two files can share blocks
  bool unnamed = false;    ///< O_TMPFILE
};
struct DiskBench {
  std::string io;                ///< "io_uring", or why not
  std::uint64_t free_bytes = 0;  ///< in the directory, before
  std::uint64_t total_bytes = 0;
  std::optional<DiskAbilities> can;  ///< of the directory
  std::optional<BenchRate> write;    ///< without the sync
  double sync_s = 0;                 ///< the one fdatasync behind it
  std::optional<BenchRate> durable;  ///< both together: what a transfer to there cannot beat
  std::optional<BenchRate> read;
  bool read_direct = false;  ///< past the page cache
  std::optional<SmallFiles> small;
  std::vector<std::string> hints;
};
/// What is written has no name from the moment at which it is made, and a small file one at a time: however this ends,
/// the directory is what it was (a SIGKILL may leave one file `.longhaul-bench-*` of 4 KiB). No file that is there is
/// touched. Errors: no_space - `bytes` do not fit, or hardly; read_only, permission, not_found, io; usage.
[[nodiscard]] Result<DiskBench> bench_disk(const DiskBenchOptions& options, const BenchProgress& progress,
                                           StopFlag* stop);

// --- wire ------------------------------------------------------------------------------------------------------------

struct WireBenchOptions {
  unsigned streams = 0;               ///< TCP connections at once, each with a thread at either end; 0: 2
  double seconds = 1;                 ///< of each figure
  Cipher cipher = Cipher::automatic;  ///< beside data in clear: this one; automatic: aes_256_gcm; none: none
};
struct WireFigure {
  Cipher cipher = Cipher::none;
  std::string congestion;
  BenchRate rate;  ///< CPU of both ends together
};
struct WireBench {
  unsigned streams = 0;
  unsigned cores = 0;
  std::string system_congestion;         ///< what sockets have that ask for nothing; empty: not known
  std::uint64_t send_window_max = 0;     ///< net.ipv4.tcp_wmem, bytes; 0: not known
  std::uint64_t receive_window_max = 0;  ///< net.ipv4.tcp_rmem
  std::vector<WireFigure> figures;
  std::vector<std::string> hints;
};
/// Both ends in this process, over loopback: no network and no disk, so what is measured is what CPU and kernel carry.
/// Errors: connection, permission - loopback cannot be used.
[[nodiscard]] Result<WireBench> bench_wire(const WireBenchOptions& options, const BenchProgress& progress,
                                           StopFlag* stop);

// --- paths to another machine ----------------------------------------------------------------------------------------

struct PathBenchOptions {
  Options engine;      ///< paths, cipher, streams, workers; who listens: listen
  double seconds = 5;  ///< of each path alone, and of all of them together
};
struct PathFigure {
  std::string name;
  std::string local;
  std::string remote;
  unsigned streams = 0;
  BenchRate rate;                  ///< of what arrived, from when it was under way; CPU of this end
  std::uint64_t rtt_us_min = 0;    ///< 0: not known
  std::uint64_t rtt_us = 0;        ///< at the end, with what the path's queues hold
  std::uint64_t resent_bytes = 0;  ///< sent once more by Longhaul, for it was lost with a connection or late
  std::string congestion;
  double window_bytes_per_s = 0;  ///< what its streams' send windows let through at its least round trip; 0: not known
  std::string why;                ///< why it was not measured; empty: it was
};
struct PathBench {
  std::string cipher;
  std::uint64_t send_window_max = 0;  ///< net.ipv4.tcp_wmem here
  std::vector<PathFigure> paths;      ///< each by itself
  std::optional<BenchRate> together;  ///< all that were measured, at once; where there are two or more
  std::vector<std::string> hints;
};
/// Dials what `serve_path_bench` listens with, and sends made-up bytes, by everything that a transfer has but disks.
/// Errors: as Session::send.
[[nodiscard]] Result<PathBench> bench_path(const std::string& ticket, const PathBenchOptions& options,
                                           const BenchProgress& progress, StopFlag* stop);

struct PathServed {
  unsigned measurements = 0;
  std::uint64_t bytes = 0;
  std::uint64_t receive_window_max = 0;  ///< net.ipv4.tcp_rmem here
  std::vector<std::string> hints;
};
/// Listens, hands `show` the ticket, and throws away what one bench sends; returns when that is through. Errors: as
/// Session::listen and Session::receive, and what `show` returns.
[[nodiscard]] Result<PathServed> serve_path_bench(const PathBenchOptions& options,
                                                  const std::function<Result<>(const std::string& ticket)>& show,
                                                  StopFlag* stop);

}  // namespace longhaul
