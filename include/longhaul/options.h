// What a caller may set. Every default is the one the command line uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/status.h"

namespace longhaul {

// What the words and numbers of a path are held to, here and by the peer that is told them.
constexpr std::size_t path_name_bytes_max = 32;
constexpr std::size_t path_tags_max = 16;
constexpr std::size_t tag_bytes_max = 32;
constexpr std::size_t congestion_bytes_max = 15;  ///< the kernel's TCP_CA_NAME_MAX without its NUL
constexpr std::size_t provider_bytes_max = 32;    ///< of a fabric, and of a device of it
constexpr std::string_view transport_tcp = "tcp";
constexpr std::size_t device_bytes_max = 15;  ///< the kernel's IFNAMSIZ without its NUL
constexpr double path_weight_max = 1000;
constexpr double cost_per_gb_max = 1e9;
constexpr int dscp_max = 63;
constexpr unsigned path_slots_min = 2;
constexpr unsigned path_slots_max = 256;  // 64 MiB, and as many writes as a rail has out

/// One way between the two endpoints, as the dialling side names it.
struct PathOptions {
  std::string name;    ///< shown in progress and report; must be unique; empty: "path1", "path2", ...
  std::string local;   ///< local address to bind, without port; empty: the kernel chooses
  std::string device;  ///< network interface to bind to ("eth1"); empty: the routing table chooses
  std::string remote;  ///< ADDR or ADDR:PORT; empty: the ticket's address; without port: the ticket's port
  std::uint64_t cap_bits_per_s = 0;  ///< upper limit of this path, in bits on the wire; 0: none
  unsigned streams = 0;              ///< TCP connections on this path; 0: `Options::streams`
  /// Preference among paths that would deliver at about the same time: this path counts as so many times as fast as it
  /// is. 0: a spare, used only while no other path is up, or none may be paid for.
  double weight = 1;
  double cost_per_gb = 0;         ///< in any currency, per 10^9 bytes carried
  std::vector<std::string> tags;  ///< what `Options::require` and `forbid` look at
  int dscp = -1;                  ///< 0..63: differentiated services code point of its packets; -1: the system's
  std::string congestion;         ///< TCP congestion control ("cubic", "bbr"), "system": the system's; empty: "cubic"
                                  ///< where that is permitted, and "bbr" where it is found to carry more
  std::string transport;          ///< "tcp"; empty: the same; "fabric:PROVIDER[@DEVICE]": the bytes of files go by
                                  ///< RDMA, see Transport
  /// Of a fabric path: frames (of 256 KiB) of each stream that may be on their way at once, path_slots_min to
  /// path_slots_max; both sides keep so many buffers. 0: what `cap_bits_per_s` over the round trip asks for, from 4
  /// up; without a cap what 100 Gb/s would ask for, up to 64.
  unsigned slots = 0;
};

/// What carries the bytes of a path's files. Everything else of a path is TCP, to the same addresses.
struct Transport {
  std::string provider;  ///< of libfabric: "verbs", "efa", "tcp", "shm"; empty: none, TCP carries them
  std::string device;    ///< of the side that dials; empty: by the path's own address
};
/// Of PathOptions::transport. Errors: Code::usage.
[[nodiscard]] Result<Transport> parse_transport(std::string_view text);

/// Whether the terms of `path` make sense: lengths, characters and ranges; addresses and rates are not looked at.
/// Errors (Code::usage) begin with the key that `--path` has for the field.
[[nodiscard]] Result<> check_path(const PathOptions& path);
/// A tag: 1 to `tag_bytes_max` letters, digits and signs of "._:-". Errors: Code::usage.
[[nodiscard]] Result<> check_tag(std::string_view tag);

/// How data is sealed on the wire. Control is always TLS 1.3. One side may name a cipher and the other leave it
/// `automatic`; two that differ refuse each other.
enum class Cipher : std::uint8_t {
  automatic,  ///< as the peer wishes; two of these: aes_256_gcm
  aes_256_gcm,
  aes_128_gcm,
  chacha20_poly1305,
  none,  ///< content crosses in clear; both sides must name it
};

/// "auto", "aes-256-gcm", "aes-128-gcm", "chacha20-poly1305", "none".
[[nodiscard]] std::string_view name_of(Cipher cipher);
/// Errors (Code::usage) name those that there are.
[[nodiscard]] Result<Cipher> parse_cipher(std::string_view name);

/// Whether frames are packed (zstd) before they cross, each by itself; what does not shrink goes as it is.
struct Compression {
  enum class Mode : std::uint8_t {
    none,
    automatic,  ///< level 1, while the paths are the limit and not this machine, and content shrinks by a tenth
    always,     ///< `level`, whatever the limit is
  };
  static constexpr int level_usual = 3;  ///< as zstd's own
  static constexpr int level_min = -50;  ///< the faster, the less it shrinks
  static constexpr int level_max = 19;
  Mode mode = Mode::none;
  int level = level_usual;  ///< of `always`
  friend bool operator==(const Compression&, const Compression&) = default;
};

/// "none", "auto", "zstd:3".
[[nodiscard]] std::string name_of(const Compression& compression);
/// Takes what `name_of` gives, and "zstd" for the usual level. Errors (Code::usage) name what there is.
[[nodiscard]] Result<Compression> parse_compression(std::string_view text);

/// Whether `text` is a timetable that `Options::schedule` takes. Errors (Code::usage) name the entry and say what to
/// write instead.
[[nodiscard]] Result<> check_schedule(std::string_view text);

/// Whether `text` is an allow-list that `Options::discover` takes. Errors: Code::usage.
[[nodiscard]] Result<> check_discover(std::string_view text);

/// Entries that the receiver leaves as they are at the target, their attributes as well, and does not make: as rsync's
/// options of these names do. Not for receivers whose sink is no directory: they refuse the transfer.
struct LeaveAlone {
  bool newer = false;     ///< --update: regular files whose time at the target is later than at the source
  bool missing = false;   ///< --existing: what is not at the target, directories with all beneath them included
  bool existing = false;  ///< --ignore-existing: what is at the target, but for directories that are some on both sides
  explicit operator bool() const { return newer || missing || existing; }
};

/// When what is sent to a directory is to be seen there.
enum class Publish : std::uint8_t {
  file,  ///< each file by itself, as soon as it is whole
  /// Each source as a whole, when everything has arrived: one rename puts a directory, with all beneath it, in the
  /// place of what stood there, which is removed. When anything failed, nothing of the transfer is published; what has
  /// landed is kept, out of sight, for the next run. Every source must have a name: not for the content of a directory,
  /// unless the source is given a name. Not together with LeaveAlone.
  tree,
};

/// The target becomes a mirror: what it has and the source has not is deleted when everything is published, in
/// directories of which the source says `Entry::content`; and what stands in the way of an entry of another type, when
/// that is published. As rsync's --delete-after. Never: in mount points, in landing zones, through symlinks, nor what
/// the rules of a source (tree_source) leave out. Receivers must allow it (Sink::allows_delete).
struct Mirror {
  static constexpr std::uint64_t no_limit = ~std::uint64_t{0};
  bool wanted = false;               ///< --delete
  bool excluded_too = false;         ///< --delete-excluded: what the rules leave out is deleted as well
  bool ignore_errors = false;        ///< also when something could not be read, sent or landed
  std::uint64_t at_most = no_limit;  ///< names deleted, directories among them; the others stay
  bool tell = false;                 ///< of each name that is deleted, with an event
  explicit operator bool() const { return wanted; }
};

/// How a large file (over 8 MiB) that stands at the target in another version is compared with it, frame by frame (256
/// KiB to 1 MiB), so that only what differs crosses; the new version appears in one step all the same. The receiver
/// reads the old one.
enum class Delta : std::uint8_t {
  none,    ///< not: it is sent whole
  sha256,  ///< by SHA-256
  xxh3,    ///< by XXH3-128: less CPU, but content can be made up that is taken for other content
};

struct Options {
  std::vector<PathOptions> paths;  ///< dialling side only; empty: one path per address in the ticket
  /// Providers of libfabric that paths may go by (PathOptions::transport), besides those of `paths`: where this side
  /// listens, and for paths that are added later. Each must be usable here.
  std::vector<std::string> fabrics;
  std::vector<std::string> listen;   ///< listening side only; ADDR[:PORT]; empty: 127.0.0.1 and a free port
  std::string advertise_host;        ///< unused for now; the ticket lists `listen`
  std::vector<std::string> require;  ///< a path carries bytes only if it has every one of these tags
  std::vector<std::string> forbid;   ///< ... and none of these. Holds for control connections as well
  /// "auto", or interfaces and networks with commas between them (see check_discover). Dialling side: looks for further
  /// paths, once both sides are proven; empty: does not. Listening side: what it tells of its addresses when it is
  /// asked; empty: as "auto".
  std::string discover;
  std::uint64_t cap_bits_per_s = 0;  ///< upper limit of all paths together, in bits on the wire; 0: none. Either
                                     ///< side may cap, whoever sends: the lower holds
  /// Rates of all paths together by local time: "mon-fri 08:00-18:00=10Gbps,22:00-06:00=none" (see check_schedule);
  /// empty: none. With `cap_bits_per_s`, and with what the peer caps, the lower holds.
  std::string schedule;
  /// Sender: by when it should be done, in seconds since 1970; 0: as soon as can be. The cheapest paths carry while
  /// they suffice, dearer ones only when the forecast misses. It goes on when the time is over. Not for sources of
  /// unknown size.
  double deadline_unix_s = 0;
  std::uint64_t expected_bytes = 0;  ///< sender: what the sources hold, for the deadline while they are being walked;
                                     ///< 0: what has been found so far counts
  double max_cost = -1;      ///< sender: what all paths together may cost in this run (cost_per_gb); below 0: anything.
                             ///< When it is spent, nothing is sent on paths that cost
  unsigned streams = 0;      ///< streams per path; 0: 2, or see `try_streams`
  bool try_streams = false;  ///< with `streams` 0: where the dialler sends, their number is found by trying
  unsigned workers = 0;      ///< worker threads; 0: one per core, at most 8
  std::uint64_t chunk_bytes = 0;  ///< bytes per chunk: a multiple of 8 MiB up to 512 MiB; 0: 8 MiB
  bool direct = true;             ///< use O_DIRECT where the file system offers it
  /// Receiver: small files are synced by one syncfs(2) for many instead of one by one, where the file system is known
  /// to keep its word then (ext4, XFS, Btrfs). It writes out what everybody else has in it as well.
  bool syncfs = false;
  bool sparse = true;  ///< sender: holes of files are kept; false: they arrive filled with zeros
  Cipher cipher = Cipher::automatic;
  Compression compression;    ///< sender
  Delta delta = Delta::none;  ///< sender
  /// Sender: by what files that are at the target in the same size are compared as a whole, in place of mtimes: equal
  /// content is not sent, and gets the source's time and attributes; other content is sent. Both sides read such files.
  /// `none`: size and mtime decide. With Publish::tree they are compared with those of the tree that is replaced, which
  /// stays as it is: what differs in anything else is copied by the receiver, large files with a delta (if `delta` is
  /// none, by the same digest).
  Delta checksum = Delta::none;
  std::string identity_pem;    ///< this endpoint's private key (see identity.h); empty: made for the occasion
  double retry_for_s = 300;    ///< how long to wait for a peer that is away before giving up
  double stall_after_s = 300;  ///< no byte of progress for so long while connected: give up (exit 7)
  /// Listening side: whether the holder of the key with this fingerprint (see identity.h) needs no ticket. Where it is
  /// set, there is no ticket, nobody else is admitted, and what `Session::ticket` says is where and who this is. Called
  /// on the session's thread, for each dialler that has shown its key; must be quick.
  std::function<bool(const std::string& fingerprint)> trusts;
  double ticket_valid_s = 7 * 24 * 3600;  ///< listening side: a ticket expires so long after it was printed
  bool keep = false;                      ///< receiver that listens: serve transfer after transfer
  bool file_events = false;               ///< sender: tell of each file that all of it is durable at the receiver
  LeaveAlone leave_alone;                 ///< sender: asked of the receiver for every transfer to it
  Publish publish = Publish::file;        ///< sender: as well
  Mirror mirror;                          ///< sender: asked of the receiver, too
  /// Nothing is sent and nothing is written at the target; an event `would` tells of each entry what would become of
  /// it. Sender: asked of the receiver. Receiver: a transfer that would write is refused.
  bool dry_run = false;
};

}  // namespace longhaul
