// Sessions and transfers: the whole public way to move bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/live.h"
#include "longhaul/options.h"
#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/status.h"

namespace longhaul {

struct PathReport {
  std::string name;
  std::string local;
  std::string remote;
  std::string transport;  ///< "tcp", "fabric:verbs"
  unsigned streams = 0;   ///< connections up now (at the end: that were up)
  std::string
      streams_why;         ///< what asked for that number: "4: 8 brought no more (...)", "4: as asked"; empty: the peer
  std::string congestion;  ///< of the side that sends: "bbr: bbr carried 96 Mb/s where cubic carried 16 Mb/s, ...";
                           ///< empty: nothing was tried
  bool up = false;
  std::string state;             ///< "up", "down", "draining", "drained", "disabled", "removed", "spared" (up, and not
                                 ///< needed now: see Options::deadline_unix_s)
  std::uint64_t rtt_us = 0;      ///< round trip, as its newest sending stream finds it; 0: not known
  std::uint64_t bytes = 0;       ///< file bytes carried in this run, re-sent ones included
  std::uint64_t wire_bytes = 0;  ///< what crossed for them: less where frames were packed. Without headers, and what
                                 ///< the network adds
  double bytes_per_s = 0;        ///< over the last second; in the final report over the whole run
  // What the dialling side said of it.
  std::vector<std::string> tags;
  std::uint64_t cap_bits_per_s = 0;  ///< 0: none
  int dscp = -1;                     ///< -1: the system's
  double weight = 1;
  double cost_per_gb = 0;
  double cost = 0;       ///< of `wire_bytes`, at `cost_per_gb` for 10^9
  std::string excluded;  ///< why policy, of either side, kept every byte off it; empty: it was permitted
  // Of the side that sends.
  bool degraded = false;        ///< worse than it used to be, now
  unsigned times_degraded = 0;  ///< in this session
  std::string slots;     ///< of a fabric path: "16 of 256 KiB, 8 for a stream: enough for 1.67 Gb/s over 20.1 ms"
  std::string evidence;  ///< of the last time: "retransmits 0 % -> 2.3 %, within 2.5 s"; empty: it never was
};

struct FileError {
  std::string path;
  Error error;
};

/// Seconds that the threads of either end spent in one stage since the transfer began; at the peer as it told last.
/// They count the time that passed, on the CPU or in a call that blocks or while another program had the CPU. All
/// stages of an end together are its number of threads times the length of the transfer.
struct StageReport {
  std::string name;  ///< work: "other", "walk", "names", "read", "digest", "pack", "seal", "send", "receive",
                     ///< "unseal", "unpack", "verify", "write", "sync"; waiting: "idle", "wait_chunks",
                     ///< "wait_resume", "wait_read", "wait_send", "wait_receive", "wait_write", "wait_commit",
                     ///< "wait_sync"
  double sender_s = 0;
  double receiver_s = 0;
};

/// One cause that keeps a transfer from being faster.
struct LimitReport {
  std::string what;  ///< "path geo (cap 50 Mb/s)", "source read", "target sync", ...
  double share = 0;  ///< of the time, 0..1
};

/// Totals of one transfer in this run. Bytes are file bytes, counted once when they are durable at the receiver.
struct Report {
  std::string transfer;           ///< the ticket's id, hex
  std::string role;               ///< "sender" or "receiver"
  std::uint64_t files = 0;        ///< regular files published in this run
  std::uint64_t bytes = 0;        ///< file bytes moved in this run
  std::uint64_t files_found = 0;  ///< regular files seen by the walk so far
  std::uint64_t bytes_found = 0;  ///< their sizes
  bool walk_done = false;
  std::uint64_t skipped_files = 0;  ///< already there: same size and mtime (or content: `checksum`); or left alone
  std::uint64_t skipped_bytes = 0;  ///< in those, and in resumed parts of unfinished files
  std::uint64_t left_alone = 0;     ///< entries of all types that Options::leave_alone is about
  // Options::checksum: files whose content was compared, and those of them that were the same at the target.
  std::uint64_t compared_files = 0;
  std::uint64_t compared_bytes = 0;
  std::uint64_t same_files = 0;
  std::uint64_t directories = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t linked = 0;         ///< further names of files, made as hard links
  std::uint64_t specials = 0;       ///< pipes, sockets, devices made
  std::uint64_t resent_bytes = 0;   ///< file bytes that were sent more than once
  std::uint64_t failed_files = 0;   ///< sources that could not be sent whole
  std::vector<FileError> errors;    ///< the first 1000 of them
  std::uint64_t hard_links = 0;     ///< files with more than one name, sent as separate files
  std::uint64_t sparse_files = 0;   ///< files with holes that arrive filled (Options::sparse)
  std::uint64_t xattr_files = 0;    ///< entries with extended attributes or ACLs that were not sent
  std::uint64_t special_files = 0;  ///< devices, sockets, pipes: not sent
  std::uint64_t landing_zones = 0;  ///< .longhaul, of transfers into what is sent now: never sent
  // Asked for, and not shown by the target: it was not permitted there, or its file system does not have it.
  std::uint64_t owners_not_kept = 0;
  std::uint64_t attributes_not_kept = 0;
  std::uint64_t modes_not_kept = 0;  ///< setuid and setgid bits, and those of files that are another user's there
  std::uint64_t left_out = 0;        ///< entries that the selection leaves out; not what is beneath such directories
  // Options::mirror. In a dry run: what would be deleted.
  std::uint64_t deleted_files = 0;  ///< names of anything but directories
  std::uint64_t deleted_directories = 0;
  std::uint64_t deletions_over = 0;  ///< names kept by Mirror::at_most, each with all beneath it
  std::uint64_t mounts_kept = 0;     ///< mount points at the target that were not looked into
  bool deletions_held = false;       ///< nothing was deleted at the end, for there were errors
  // Options::dry_run. What is made or changed besides: directories, symlinks, linked, specials.
  bool dry_run = false;
  std::uint64_t would_send_files = 0;
  std::uint64_t would_send_bytes = 0;
  std::uint64_t would_change = 0;  ///< entries of all types of which only mode, owner, times or attributes differ
  double seconds = 0;
  double cpu_seconds_sender = 0;  ///< user + system
  double cpu_seconds_receiver = 0;
  double bytes_per_s = 0;            ///< over the last second; in the final report bytes / seconds
  double eta_s = -1;                 ///< -1: not known yet
  bool paused = false;               ///< nothing is sent until it is resumed
  std::uint64_t cap_bits_per_s = 0;  ///< upper limit of all paths together; 0: none
  std::string schedule;              ///< what timetables say now ("10 Gb/s until 18:00"); empty: there is none
  std::string forecast;              ///< under a deadline or a limit of cost: "ends 05:12; meets 06:00"; else empty
  std::string verdict;               ///< what limits now, at the end what did ("source read, 64 % of the time"), or why
                                     ///< nothing moves ("paused", "no path is up", ...)
  std::vector<LimitReport> limits;   ///< the same with all shares, the largest first, over the last seconds; in the
                                     ///< final report over the whole run. Empty: not known (yet)
  std::vector<StageReport> stages;   ///< those that took time
  std::string durability;            ///< "fsync", "syncfs", "none (stream)"
  std::string cipher;                ///< "aes-256-gcm", ..., "none": data crosses in clear; empty: not agreed yet
  std::string compression;           ///< sender: what was asked for: "none", "auto", "zstd:3"
  std::uint64_t wire_bytes = 0;      ///< of all paths together: compare with their `bytes`
  std::uint64_t packed_frames = 0;   ///< that crossed packed, up to 1 MiB of file bytes each
  std::uint64_t futile_frames = 0;   ///< sender: that were tried, and would not shrink by enough
  std::uint64_t matched_bytes = 0;   ///< of file bytes, what did not cross because an older version had it (Delta)
  std::uint64_t shared_bytes = 0;    ///< receiver: of these, what was not written: older and new have the same blocks
  std::string streams_chosen;        ///< how the number of streams was chosen, in words
  std::vector<PathReport> paths;
  double cost = 0;  ///< of all paths together
};

/// What a dry run says of an entry.
enum class Would : std::uint8_t {
  make,            ///< "new"
  change,          ///< "changed": its content is sent anew, or it becomes something else
  set_properties,  ///< "properties": only mode, owner, times or attributes
  nothing,         ///< "same"
  leave_alone,     ///< "left-alone", as Options::leave_alone asks
  remove,          ///< "delete", as Options::mirror asks
};
[[nodiscard]] std::string_view name_of(Would would);

/// What happens while a transfer runs. Called from one thread of the session; must not block for long.
struct Event {
  enum class Type : std::uint8_t {
    ticket,
    start,
    progress,
    path_up,
    path_down,
    path_degraded,   ///< it carries, but worse than it used to: less is given to it
    path_recovered,  ///< as before again, or for good what it is now
    file_durable,
    file_error,
    deleted,  ///< a name at the target; of a directory with a slash at its end
    would,    ///< Options::dry_run; `text` is one of the words of name_of(Would)
    note,
    done
  };
  Type type = Type::note;
  std::string text;  ///< in words; for `ticket` the ticket itself, for path_degraded and path_recovered the evidence
  std::string
      path;  ///< path_*: the path's name; file_error: the file; file_durable, deleted, would: its name below the target
  Error error;                           ///< path_down, file_error
  std::shared_ptr<const Report> report;  ///< start, progress, done
};
using Observer = std::function<void(const Event&)>;

/// How a transfer ended. `error` is empty when everything arrived; a report is always there.
struct Outcome {
  bool ok = false;  ///< complete (some sources may have failed: see report.failed_files)
  Error error;
  Report report;
};

/// Set from a signal handler or another thread: 0 run, 1 stop cleanly (resumable), 2 stop at once.
using StopFlag = std::atomic<int>;

/// One authenticated meeting of two endpoints; carries several transfers, in either direction, one after the other or
/// at once. Every method may be called from any thread.
class Session : public Live {
 public:
  ~Session() override = default;  ///< closes connections and joins all threads

  /// Listens, and writes nothing before `ticket()` is asked. `keep_in`: directory whose landing zone keeps the ticket
  /// across restarts, or empty. Errors: address in use, not local, no permission.
  static Result<std::unique_ptr<Session>> listen(const Options& options, Observer observer, StopFlag* stop = nullptr,
                                                 const std::string& keep_in = {});
  /// Dials the listener that printed `ticket`. Returns at once; reaching it is part of the transfers.
  static Result<std::unique_ptr<Session>> dial(const std::string& ticket, const Options& options, Observer observer,
                                               StopFlag* stop = nullptr);

  /// The ticket to hand to the other side: "longhaul://ADDR:PORT,.../ID?x=EXPIRY,k=KEY#SECRET"; with
  /// Options::trusts "longhaul://ADDR:PORT,.../?k=KEY", which is no secret. Listening sessions only.
  virtual std::string ticket() const = 0;

  /// Opens a transfer from here to the peer and blocks until its end.
  virtual Outcome send(std::unique_ptr<Source> source) = 0;
  /// Waits for the peer to open a transfer, lands it in `sink` and blocks until its end.
  virtual Outcome receive(std::unique_ptr<Sink> sink) = 0;
};

/// Told of a copy that runs, on the thread that called `copy`: first with the copy, and with null before it goes.
using LiveObserver = std::function<void(Live*)>;

/// Both ends in this process over loopback: a local copy with everything a transfer has.
Outcome copy(std::unique_ptr<Source> source, std::unique_ptr<Sink> sink, const Options& options, Observer observer,
             StopFlag* stop = nullptr, const LiveObserver& live = nullptr);

}  // namespace longhaul
