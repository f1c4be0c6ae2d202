// The receiver's desk: looks at each announced entry and says what is to happen to it. Makes directories and symlinks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "disk/disk.h"
#include "disk/scouts.h"
#include "engine/incoming.h"
#include "engine/mirror.h"
#include "engine/tree_landing.h"
#include "journal/entry_log.h"
#include "journal/landing.h"
#include "longhaul/options.h"
#include "longhaul/sink.h"
#include "longhaul/transfer.h"
#include "protocol/message.h"

namespace longhaul::engine {

/// Figures of an incoming transfer: written by storage, sampled by control.
struct ReceiveCounters {
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> files_found{0};
  std::atomic<std::uint64_t> bytes_found{0};
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};  ///< durable in this run
  std::atomic<std::uint64_t> skipped_files{0};
  std::atomic<std::uint64_t> skipped_bytes{0};
  std::atomic<std::uint64_t> left_alone{0};
  std::atomic<std::uint64_t> compared_files{0};
  std::atomic<std::uint64_t> compared_bytes{0};
  std::atomic<std::uint64_t> same_files{0};
  std::atomic<std::uint64_t> directories{0};
  std::atomic<std::uint64_t> symlinks{0};
  std::atomic<std::uint64_t> hard_links{0};
  std::atomic<std::uint64_t> specials{0};
  // Entries of which the target does not show what their sources do.
  std::atomic<std::uint64_t> owners_not_kept{0};
  std::atomic<std::uint64_t> attributes_not_kept{0};
  std::atomic<std::uint64_t> modes_not_kept{0};
  MirrorCounters mirror;
  // Of a dry run.
  std::atomic<std::uint64_t> would_send_files{0};
  std::atomic<std::uint64_t> would_send_bytes{0};
  std::atomic<std::uint64_t> would_change{0};
  void count(const Unkept& unkept) {
    if (unkept.owner) owners_not_kept.fetch_add(1, std::memory_order_relaxed);
    if (unkept.attributes) attributes_not_kept.fetch_add(1, std::memory_order_relaxed);
  }
};

/// What was accepted, and could not be finished when everything was there.
struct LateFailures {
  std::uint64_t count = 0;
  std::vector<FileError> first;  ///< at most 100
  void add(const std::string& path, Error error);
  void add(LateFailures others);
};

/// What came of comparing the content of a file at the target with that of its source.
struct ComparedContent {
  bool equal = false;
  disk::Stat version;  ///< of the target's, as it was read
  Digest root;         ///< of both; only if they are equal
};

/// What storage must do after a decision.
struct Decision {
  protocol::Verdict verdict;
  std::shared_ptr<InFile> file;  ///< SEND: registered already
  disk::DirPtr dirty;            ///< a directory in which a name was made
  std::optional<Entry> compare;  ///< COMPARE: as it will be decided upon
  disk::DirPtr compare_in;       ///< COMPARE: where its file is to be read, by its path; null: at the target
  std::optional<KeptFile> kept;  ///< SKIP: by content, or something was set
  std::optional<Error> fatal;    ///< the transfer cannot go on (target full)
};

/// Used by the storage role only.
class Desk {
 public:
  /// `zone` null: entries go to `sink`.
  struct Setup {
    disk::Disk& disk;
    Random& random;
    journal::LandingZone* zone;
    Sink& sink;
    IncomingFiles& files;
    ReceiveCounters& counters;
    std::uint64_t chunk_bytes;
    bool direct;
    std::string scratch_name;   ///< of the directory log
    bool after_a_kill = false;  ///< an earlier receiver may have left names that it never synced
    LeaveAlone leave_alone;
    TargetMirror* mirror = nullptr;   ///< the target becomes one
    std::string target = {};          ///< as a path that can be opened
    journal::Trash* trash = nullptr;  ///< not null: whole trees are published, in the end
    bool delta = false;               ///< large files are compared with older versions of them
    bool checksum = false;            ///< content decides what is the same, not times
  };
  explicit Desk(Setup setup) : setup_(std::move(setup)) {}

  /// Finds out to which granularity the target keeps mtimes, and begins the log of directories.
  Result<> open();
  /// Once it is open: files are written by O_DIRECT.
  [[nodiscard]] bool lands_directly() const { return lands_directly_; }
  /// These will be decided upon next.
  void look_ahead(const protocol::Announce& batch);
  Decision decide(std::uint64_t id, Entry entry);
  /// The second time, of an entry with verdict COMPARE: `entry` as it came back with it.
  Decision decide_compared(std::uint64_t id, Entry entry, const ComparedContent& found);
  /// Further names of files that are there by now; then modes and times of all directories, children first.
  /// In between the target is made a mirror; `errors`: not all that was announced has arrived.
  Result<LateFailures> finish(bool errors = false);
  /// A directory that stood in the way of `entry` when that was decided upon goes, and `publish` gives the entry its
  /// name.
  Result<> displace(const Entry& entry, const journal::Naming& publish);
  /// With whole trees, around `finish`: before it, if everything has arrived; after it, with what it has told - and
  /// puts the trees in their places, or says in `late` that they are not.
  Result<> settle_trees();
  void publish_trees(bool whole, LateFailures& late);
  /// Logs of trees that were published: to be merged into the manifest.
  [[nodiscard]] std::vector<std::string> tree_logs() const;
  /// The transfer ends without its end: lets go of the scratch files.
  void abandon();

 private:
  Result<> make_logs();
  Result<> find_granularity();
  Result<> finish_links();
  Result<> finish_link(const Entry& link);
  Result<> finish_directories();
  Result<> finish_directory(const Entry& entry);
  Result<> make_room(const Entry& entry, const disk::Stat& there);
  void forget_directories();
  Decision refuse(Code code, const std::string& text);
  Decision skip(const Entry& entry);
  Decision leave(const Entry& entry);
  Decision without_parent(const Entry& entry, const Error& why);
  [[nodiscard]] bool left_alone(const Entry& entry, const Result<disk::Stat>& there) const;
  Decision take_directory(const Entry& entry);
  Decision take_symlink(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  Decision take_special(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  Decision take_hard_link(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  using MakeName = std::function<Result<>(const disk::DirPtr& zone, const std::string& scratch)>;
  Result<bool> put_in_place(const Entry& entry, const disk::DirPtr& parent, bool displaces, const MakeName& make);
  Decision replace(const Entry& entry, const disk::DirPtr& parent, bool displaces, const char* what,
                   const MakeName& make);
  Decision take_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                     std::string name, const ComparedContent* compared = nullptr);
  [[nodiscard]] bool stays(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                           const disk::Stat& there, const ComparedContent* compared);
  std::optional<Decision> keep(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                               const disk::Stat& there, const ComparedContent* compared);
  Decision take_sink_file(std::uint64_t id, Entry entry);
  Result<std::optional<OlderFile>> older_of(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                                            const Result<disk::Stat>& there);
  std::optional<Decision> take_over(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                    const std::string& name, const std::optional<OlderFile>& older,
                                    const ComparedContent* compared);
  std::optional<Decision> take_compared(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                        const std::string& name, const OlderFile& older,
                                        const ComparedContent& compared);
  std::optional<Decision> copy_older(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                     const std::string& name, const OlderFile& older, const ComparedContent& compared);
  void open_older(InFile& file, const OlderFile& older);
  Decision begin_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                      std::string name, const std::optional<OlderFile>& older);
  bool unchanged(const disk::Stat& there, const Entry& entry) const;
  Result<disk::FilePtr> set_mode(const disk::DirPtr& parent, const std::string& name, std::uint32_t mode);
  Result<disk::FilePtr> match(const disk::DirPtr& parent, const std::string& name, const disk::Stat& there,
                              const Entry& entry);
  Result<disk::DirPtr> directory(const std::string& path);
  Result<disk::Stat> look(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  void note_made(const std::string& path);
  Result<disk::Stat> look_for_file(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                   const std::string& name);
  /// Where what is announced lands by its path: the target, or what stands for it.
  [[nodiscard]] const disk::DirPtr& root() const { return trees_ ? trees_->directory() : setup_.zone->root(); }

  Setup setup_;
  std::unique_ptr<journal::EntryLog> directories_;
  std::unique_ptr<journal::EntryLog> links_;
  std::unique_ptr<disk::Scouts> scouts_;
  std::unique_ptr<TreeLanding> trees_;  ///< null: every file is published by itself
  LateFailures late_;
  std::unordered_map<std::string, disk::DirPtr> open_dirs_;
  /// Directories that this transfer has made, as far as they are remembered: files need not be looked for in them.
  std::unordered_set<std::string> made_dirs_;
  std::int64_t mtime_granularity_ns_ = 1;
  bool lands_directly_ = false;
};

// What a desk finds of an entry without doing anything: for a dry run, too.

/// Whether the sender asked that this name is left as it is at the target, `there`, or is not made.
[[nodiscard]] bool is_left_alone(const LeaveAlone& asked, const Entry& entry, const Result<disk::Stat>& there,
                                 std::int64_t granularity_ns);
/// ... and with it what is beneath a directory that cannot be opened, and `why`.
[[nodiscard]] bool is_left_alone_beneath(const LeaveAlone& asked, const Error& why);
/// What a sender may not give to files of this machine unless it is trusted with that: the mode bits and attributes
/// that let whoever starts a program have another's powers. Owners get the numbers that they have here.
void hold_to_what_is_allowed(disk::Disk& disk, const Sink& sink, ReceiveCounters& counters, Entry& entry);
[[nodiscard]] Result<> may_take_special(const Sink& sink, const Entry& entry);
/// One of both is a directory.
[[nodiscard]] inline bool is_in_the_way(const Entry& entry, const disk::Stat& there) {
  return (entry.type == EntryType::directory) != (there.type == disk::FileType::directory);
}
[[nodiscard]] inline bool is_of_same_size(const Entry& entry, const disk::Stat& there) {
  return there.type == disk::FileType::file && entry.size_known && there.size == entry.size;
}
/// With --checksum: whether content must be compared before it can be said if the file that is `there` stays.
[[nodiscard]] inline bool must_be_compared(const Entry& entry, const disk::Stat& there,
                                           const ComparedContent* compared) {
  return compared == nullptr && is_of_same_size(entry, there);
}
/// With --checksum, once nothing must be compared: whether it stays.
[[nodiscard]] bool has_same_content(const Entry& entry, const disk::Stat& there, const ComparedContent* compared);
/// `why` nothing else can be done about it; empty: nobody asked for that.
[[nodiscard]] Error in_the_way(const Entry& entry, std::string_view why = {});

/// A name that may be made below a target: relative, no "", ".", "..", NUL; no component over 255 bytes; in no
/// landing zone, for what is beneath may be a target of its own.
[[nodiscard]] Result<> check_target_path(const std::string& path);

}  // namespace longhaul::engine
