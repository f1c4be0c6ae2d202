// Holds a receiver's file system to DESIGN.md's laws while it is written to: at each name that appears, at each write,
// at each `durable` that is said, and after each crash. It knows the files and what was promised, not the engine.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "sim_disk.h"
#include "transfer_witness.h"

namespace longhaul::sim {

class Laws final : public FileWatcher, public PromiseListener {
 public:
  /// `target`: the directory that is received into.
  Laws(SimFileSystem& files, std::string target, Clock& clock)
      : files_(files), target_(std::move(target)), clock_(clock) {}

  /// A version of a source file that a sender may read. What lands must be one of them, whole.
  void source_version(const std::string& path, std::span<const std::byte> bytes, std::uint32_t mode,
                      std::int64_t mtime_ns);

  /// The sender lies about its files: what lands need not be a version of them. Everything else holds.
  void distrust_sender() { sender_lies_ = true; }

  /// The directory of the target with this name appears as a whole: nothing is made beneath it, nothing in it is
  /// anything but durable, and all of it is that of one moment.
  void expect_whole(const std::string& name) { whole_ = name; }

  // FileWatcher, PromiseListener
  void named(const std::string& path, const Inode& inode) override;
  void written(const Inode& inode, std::uint64_t offset, std::uint64_t bytes) override;
  void metadata_set(const Inode& inode) override;
  void promised(const std::string& path, std::uint64_t offset, std::uint64_t bytes) override;
  void promise_void(const std::string& path) override;

  /// Everything at a final name is whole, everything promised is there.
  void look_at_everything();
  /// Everything at a final name stands in the target's manifest with its digest.
  void look_at_manifest();

  [[nodiscard]] bool sender_lies() const { return sender_lies_; }
  /// What contradicts the laws, in words; empty when nothing does.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  [[nodiscard]] std::uint64_t published() const { return published_count_; }

 private:
  struct Version {
    std::vector<std::byte> bytes;
    std::uint32_t mode = 0;
    std::int64_t mtime_ns = 0;
    Digest root;
  };
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    auto operator<=>(const Extent&) const = default;
  };

  [[nodiscard]] std::string in_target(const std::string& path) const;
  [[nodiscard]] bool is_internal(const std::string& path) const;
  [[nodiscard]] const Version* version_of(const std::string& path, const Inode& inode) const;
  [[nodiscard]] std::string wrong_about(const std::string& path, const Inode& inode) const;
  [[nodiscard]] std::string landing_part(const std::string& path) const;
  [[nodiscard]] bool is_mixture(const std::string& path, const std::vector<std::byte>& content, Extent extent) const;
  [[nodiscard]] bool holds(const std::string& path, const std::vector<std::byte>& content, Extent extent) const;
  [[nodiscard]] bool in_manifests(const std::string& path, const Version& version, bool durable_only) const;
  void journal_written(const std::string& name, const Inode& journal, std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] bool is_node_of(const std::string& part, std::uint64_t node, std::span<const std::byte> digest) const;
  [[nodiscard]] bool journalled(const std::string& path, Extent extent) const;
  void named_tree(const std::string& name, const Inode& dir);
  void look_at_published(const std::string& name, const Inode& inode);
  [[nodiscard]] bool survives_in_its_tree(const std::string& path) const;
  [[nodiscard]] std::string landing_name(const std::string& path) const;
  void complain(std::string words);
  void doubt(const std::string& path, std::string words);
  void settle_doubts(Time before);

  /// A promise that does not hold. One that waited for a connection may be taken back by what waited right behind it.
  struct Doubt {
    Time at = 0;
    std::string words;
  };

  SimFileSystem& files_;
  std::string target_;
  Clock& clock_;
  std::map<std::string, Doubt> doubts_;  ///< by path
  std::map<std::string, std::vector<Version>> versions_;
  std::map<std::string, std::set<Extent>> promised_;
  std::map<std::uint64_t, std::set<Extent>> promised_in_;  ///< by inode number of the landing file
  std::set<std::uint64_t> published_;                      ///< inode numbers
  std::uint64_t published_count_ = 0;
  bool sender_lies_ = false;
  std::string whole_;  ///< empty: files appear one by one
  std::vector<std::string> complaints_;
};

}  // namespace longhaul::sim
