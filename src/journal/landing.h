// The landing zone: where files live until they are whole. TARGET/.longhaul, and the same below each mount point under
// the target, so that a landing file is always on the file system of the file that it will become.
//
//   .longhaul/            mode 0700
//     manifest            published files with their digests, sorted (manifest.h)
//     manifest.ID.log     what transfer ID has published so far
//     landing/            (only this part exists below mount points, with scratch.ID.*held of who has a use for it.
//                         That is locked: who sweeps may have another target, and not see that transfer's log)
//       HASH.part         content of an unfinished large file      HASH = hex XXH3-128 of the target path
//       HASH.journal      its journal: locked (flock) by the receiver that lands the file
//       scratch.ID.*      what transfer ID has in hand: small files between creation and publish, names being made.
//                         Where directories are memory, small files have no name until they are published
//     tickets             open tickets (engine)
//     tree/, trash/       trees that will be published as a whole, and what they have replaced (landing_tree.h)
//
// Journal file: header, padded with zeros to journal_header_bytes * n, then one 24-byte record per node at
// header + node * 24: Digest node | u64 check = XXH3-64(digest || node number u64 || journal nonce u64). A record of
// zeros (never written) or with a wrong check does not count.
//   header: "LHJRNL1\n" | u32 version = 1 | u32 header_bytes | u64 nonce | u64 chunk_bytes | u64 size | i64 mtime_ns |
//           i64 ctime_ns | u64 inode | u64 device | u32 mode | u32 path_bytes | path | u64 check = XXH3-64 of all
//           before it
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "disk/disk.h"
#include "longhaul/entry.h"
#include "longhaul/status.h"

namespace longhaul::journal {

constexpr std::string_view zone_name = ".longhaul";
constexpr std::uint32_t record_bytes = 24;

/// One file in the landing zone; of a large one the journal is its durable memory. Used by one thread.
struct LandingFile {
  disk::FilePtr data;             ///< HASH.part; small files: scratch.ID.*, or without a name
  disk::FilePtr journal;          ///< HASH.journal, locked; null for small files
  disk::DirPtr zone;              ///< the landing directory that holds them
  std::string name;               ///< HASH; small files: the whole name, or empty: it has none yet
  std::string path;               ///< target path
  std::uint64_t chunk_bytes = 0;  ///< of this session: records are per node, another chunk size continues them
  std::uint64_t nonce = 0;
  std::uint32_t header_bytes = 0;
  std::vector<bool> durable_nodes;  ///< as found in the journal (resume)
  bool name_synced = false;         ///< the journal's, in `zone`; nothing is durable before that. The commit's
};

/// One node's record, encoded; write it at `record_offset`.
[[nodiscard]] std::array<std::byte, record_bytes> encode_record(const LandingFile& file, std::uint64_t node,
                                                                const Digest& digest);
[[nodiscard]] std::uint64_t record_offset(const LandingFile& file, std::uint64_t node);

/// What becomes of what stands at a final name already.
enum class Existing : std::uint8_t {
  replaced,
  left_alone,  ///< the call fails with EEXIST; where the file system cannot do that (unsupported) it is replaced
};

/// Says of a name that no rename leads to what can be done about it; any other error stays as it is.
[[nodiscard]] Error with_way_around_mounts(Error error);

/// Used by one thread (the storage role). All calls are plain calls on `disk`, which must have no data operation in
/// flight meanwhile: give the zone a Disk of its own.
class LandingZone {
 public:
  /// Creates .longhaul below `root` when missing (mode 0700, synced). Errors: read-only, no permission, no space.
  /// `scratch`: how the names of small files begin, which nobody else may use: scratch.ID.* belong to whoever holds the
  /// lock of manifest.ID.log. Another one in each life of a transfer: an earlier one may still have a write on its way.
  static Result<std::unique_ptr<LandingZone>> open(disk::Disk& disk, disk::DirPtr root, std::string scratch = {});

  /// Begins or continues the large file `entry`. An unfinished one of the same path whose journal shows the same size,
  /// mtime and identity is continued: its durable nodes are in the result. Any other is dropped first. A source without
  /// identity (all zero: memory, a pipe) cannot prove that it is unchanged and is never continued.
  /// `parent`: the target directory that will hold it. `direct`: as in Disk::open_file.
  /// Space is allocated for entry.size when that is known; a file with holes gets that size and no space, and one that
  /// can share blocks with `older` (may be null) none either: on btrfs what is allocated is not free again for being
  /// shared. Journal
  /// header and directory are not synced yet: that is the first commit's. Errors: Code::busy when another receiver
  /// holds this name; no_space; io.
  Result<LandingFile> begin_large(const Entry& entry, const disk::DirPtr& parent, std::uint64_t chunk_bytes,
                                  bool direct, Random& random, disk::OpenFile* older = nullptr);
  /// Creates the landing file of a small file: empty, mode 0600; without a name where Disk::best_unnamed says so.
  /// `parent`: the target directory that will hold it; `zone`: its `zone_for`. Takes `disk` of the calling worker: this
  /// one may be called from any worker's thread at once with others. Errors: no_space; io.
  Result<LandingFile> begin_small(disk::Disk& disk, std::string_view path, const disk::DirPtr& parent,
                                  const disk::DirPtr& zone) const;
  /// The landing directory on the mount of `parent`. It stays until `sweep`, whoever else sweeps.
  Result<disk::DirPtr> zone_for(const disk::DirPtr& parent, std::string_view parent_path);

  /// Root digest from the journal's records, read as a stream. `size`: final size. Errors: Code::corrupt when a node is
  /// missing.
  Result<Digest> root_digest(const LandingFile& file, std::uint64_t size);
  /// Gives data its final name. Syncs nothing: the caller syncs both directories (target first), for a group of
  /// files at once.
  Result<> publish(const LandingFile& file, const disk::DirPtr& parent, std::string_view name,
                   Existing existing = Existing::replaced);
  /// After `publish`: what has this name is a landing file again; a small one goes.
  void take_back(const LandingFile& file, const disk::DirPtr& in, std::string_view name);
  /// As `publish`, of any name that was made in a landing directory.
  Result<> put_in_place(const disk::DirPtr& zone, std::string_view from, const disk::DirPtr& parent,
                        std::string_view name, Existing existing);
  /// After both directories have been synced: before that, a crash may take the rename back, and the journal must still
  /// be there to say what is durable. One that cannot be removed is swept later.
  void forget_journal(const LandingFile& file);
  /// Removes an unfinished file and its journal.
  Result<> drop(const LandingFile& file);
  /// Removes what killed receivers left behind and nobody locks (a journal or a part without the other;
  /// scratch files) and, when nothing is unfinished, the empty landing directories of mount points; syncs what it
  /// has swept. At the end of a transfer.
  /// `own_scratch`: how the scratch files of the transfer that ends begin.
  void sweep(const std::string& own_scratch = {});
  /// Unfinished large files: for the words at the end of an interrupted run.
  [[nodiscard]] std::uint64_t unfinished_files();

  [[nodiscard]] const disk::DirPtr& root() const { return root_; }
  [[nodiscard]] const disk::DirPtr& directory() const { return zones_.at(root_place_).zone; }  ///< TARGET/.longhaul

 private:
  struct Zone {
    disk::DirPtr top;      ///< topmost directory beneath the root in this place
    disk::DirPtr zone;     ///< its .longhaul
    disk::DirPtr landing;  ///< .longhaul/landing
    disk::FilePtr held;    ///< locked: says to whoever sweeps here that what begins as its name does is in use
  };
  /// A rename leads from one directory to another within a mount of a file system: one may be mounted twice (containers
  /// do that with directories of theirs), and one mount may show several devices (subvolumes).
  struct Place {
    std::uint64_t device = 0;
    std::uint64_t mount = 0;  ///< 0 wherever the system does not tell
    auto operator<=>(const Place&) const = default;
  };
  static constexpr std::string_view landing_name = "landing";
  /// Ends the name that keeps a landing directory below a mount point from being removed.
  static constexpr std::string_view held_name = "held";
  static Place place_of(const disk::Stat& stat) { return {stat.device, stat.mount}; }
  LandingZone(disk::Disk& disk, disk::DirPtr root, std::string scratch)
      : disk_(disk), root_(std::move(root)), scratch_(std::move(scratch)) {}
  Result<Zone> make_zone(disk::DirPtr top);
  Result<Zone> make_held_zone(const disk::DirPtr& top);
  Result<disk::DirPtr> topmost_in(const Place& place, const disk::DirPtr& parent, std::string_view parent_path);
  Result<LandingFile> begin_in(const disk::DirPtr& landing, const Entry& entry, std::uint64_t chunk_bytes, bool direct,
                               Random& random, disk::OpenFile* older);
  Result<bool> resume(LandingFile& file, const Entry& entry, bool direct);
  Result<> start(LandingFile& file, const Entry& entry, bool direct, Random& random, disk::OpenFile* older);
  [[nodiscard]] bool can_share(disk::OpenFile* older, disk::OpenFile& data);
  Result<> name_unnamed(const LandingFile& file, const disk::DirPtr& parent, std::string_view name, Existing existing);
  void sweep_name(const disk::DirPtr& landing, const std::string& name);
  void sweep_landing(const Zone& zone, const std::string& own);
  [[nodiscard]] std::vector<std::string> held_by_others(const disk::DirPtr& landing, const std::string& own);
  void sweep_scratch(const disk::DirPtr& in, const disk::DirPtr& zone, const std::string& name, const std::string& own);
  [[nodiscard]] bool is_in_use(const disk::DirPtr& in, const std::string& name);
  [[nodiscard]] bool is_target(const disk::DirPtr& zone);
  void sweep_large(const disk::DirPtr& landing, const std::string& hash);

  disk::Disk& disk_;
  disk::DirPtr root_;
  std::string scratch_;
  Place root_place_;
  std::map<Place, Zone> zones_;
  disk::DirPtr last_parent_;  // the one that zone_for() was asked for last: entries come by directory
  disk::DirPtr last_zone_;
};

}  // namespace longhaul::journal
