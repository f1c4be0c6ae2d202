// Says of each announced entry what would become of it. Stands in the desk's place in a dry run, and changes nothing.
// Used by the storage role only.
#pragma once

#include <functional>
#include <string>

#include "disk/disk.h"
#include "engine/desk.h"
#include "longhaul/options.h"
#include "longhaul/transfer.h"
#include "protocol/message.h"

namespace longhaul::engine {

class DryRun {
 public:
  struct Setup {
    disk::Disk& disk;
    disk::DirPtr root;  ///< the target; null: it is not there
    Sink& sink;
    ReceiveCounters& counters;
    LeaveAlone leave_alone;
    TargetMirror* mirror = nullptr;
    std::function<void(Would would, const std::string& path)> told;  ///< null: the sender alone hears of it
    bool checksum = false;                                           ///< as the desk's
  };
  explicit DryRun(Setup setup) : setup_(std::move(setup)) {}

  /// Of every entry; those that would be refused are. Of a Decision there is the verdict, and what is to be compared.
  Decision decide(Entry entry);
  /// The second time, of an entry with verdict COMPARE: `entry` as it came back with it.
  Decision decide_compared(const Entry& entry, const ComparedContent& found);

 private:
  Decision tell(const Entry& entry, Result<Would> would);
  Result<Would> judge(const Entry& entry);
  Result<Would> judge_beneath(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  Would compare(const Entry& entry, const disk::DirPtr& parent, const std::string& name, const disk::Stat& there);
  Would compare_link(const Entry& entry, const disk::Stat& there);
  [[nodiscard]] bool stays(const Entry& entry, const disk::Stat& there) const;
  void count(const Entry& entry, Would would);

  Setup setup_;
  const ComparedContent* compared_ = nullptr;  ///< while an entry is looked at for the second time
  bool must_compare_ = false;                  ///< judge() has to know that before it can say anything
  std::string parent_path_;                    ///< of the directory that was opened last
  disk::DirPtr parent_;
};

/// What an entry is called there: directories end in a slash, the target itself is "./".
[[nodiscard]] std::string name_below(const Entry& entry);
/// The words of a verdict for it, and back.
[[nodiscard]] protocol::Verdict::Would to_wire(Would would);
[[nodiscard]] Would would_of(const protocol::Verdict& verdict);
/// Of a file that was compared: its content was found to be that of its source. In earnest too.
[[nodiscard]] bool is_same(const protocol::Verdict& verdict);

}  // namespace longhaul::engine
