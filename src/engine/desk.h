// The receiver's desk: looks at each announced entry and says what is to happen to it. Makes directories and symlinks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "disk/disk.h"
#include "engine/incoming.h"
#include "journal/directory_log.h"
#include "journal/landing.h"
#include "longhaul/sink.h"
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
  std::atomic<std::uint64_t> directories{0};
  std::atomic<std::uint64_t> symlinks{0};
};

/// What storage must do after a decision.
struct Decision {
  protocol::Verdict verdict;
  std::shared_ptr<InFile> file;  ///< SEND: registered already
  disk::DirPtr dirty;            ///< a directory in which a name was made
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
  };
  explicit Desk(Setup setup) : setup_(std::move(setup)) {}

  /// Finds out to which granularity the target keeps mtimes, and begins the log of directories.
  Result<> open();
  Decision decide(std::uint64_t id, Entry entry);
  /// Modes and times of all directories, children first. Returns the directories that could not be finished.
  Result<std::uint64_t> finish_directories();
  /// The transfer ends without its end: lets go of the scratch files.
  void abandon();

 private:
  Decision refuse(Code code, const std::string& text);
  Decision skip(const Entry& entry);
  Decision take_directory(const Entry& entry);
  Decision take_symlink(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  Decision take_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                     std::string name);
  Decision take_sink_file(std::uint64_t id, Entry entry);
  Decision begin_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                      std::string name);
  bool unchanged(const disk::Stat& there, const Entry& entry) const;
  void match_mode(const disk::DirPtr& parent, const std::string& name, const disk::Stat& there, const Entry& entry);
  Result<disk::DirPtr> directory(const std::string& path);

  Setup setup_;
  std::unique_ptr<journal::DirectoryLog> directories_;
  std::unordered_map<std::string, disk::DirPtr> open_dirs_;
  std::int64_t mtime_granularity_ns_ = 1;
};

/// A name that may be made below a target: relative, no "", ".", "..", NUL; no component over 255 bytes; not the
/// landing zone.
[[nodiscard]] Result<> check_target_path(const std::string& path);

}  // namespace longhaul::engine
