// What is to be removed and may be large: an old tree, a landing tree that nobody will finish. It goes into
// .longhaul/trash by one rename, and then away a few names at a time. Whatever is in there is nobody's any more: what a
// killed receiver left, the next one removes.
//
// Memory and depth are bounded: of a directory, files are unlinked and directories moved up into the trash itself. No
// symlink is followed; what something is mounted on can neither be renamed nor unlinked, and stays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// How something that has been made gets the name `name` in `in`.
struct Naming {
  std::function<Result<>(const disk::DirPtr& in, std::string_view name)> give;
  /// What has this name, which `give` gave it, has its old one again, or goes if that cannot be.
  std::function<void(const disk::DirPtr& in, std::string_view name)> take_back;
};

/// Used by one thread.
class Trash {
 public:
  /// `zone`: TARGET/.longhaul. `own`: what no other receiver's names in the trash begin with.
  Trash(disk::Disk& disk, disk::DirPtr zone, std::string own)
      : disk_(disk), zone_(std::move(zone)), own_(std::move(own)) {}

  /// Makes its directory where it is missing, so that it need not be made when there is no room for it.
  Result<> open();
  /// Takes `name` out of `in`; a directory by one rename. That it is not there is success. Syncs nothing.
  Result<> take(const disk::DirPtr& in, std::string_view name);
  /// Takes the directory `name` out of `in`, and has something else put there: in one step, so that at no time the
  /// name is nobody's, where the file system can do that. On errors the directory is back, unless something else has
  /// its name by then. Syncs nothing.
  Result<> displace(const disk::DirPtr& in, std::string_view name, const Naming& naming);
  /// Removes about `names` of what is in the trash. False: nothing is left that can be removed.
  bool remove_some(std::size_t names);
  /// What could not be removed, and why; empty: nothing.
  [[nodiscard]] const std::string& stuck() const { return stuck_; }

 private:
  [[nodiscard]] std::string next_name() { return own_ + "." + std::to_string(number_++); }
  Result<> at_directory(const disk::DirPtr& in, std::string_view name, const std::function<Result<>()>& move);
  Result<std::string> move_up(const disk::DirPtr& in, std::string_view name);
  using Give = decltype(Naming::give);
  Result<> displace_in_two_steps(const disk::DirPtr& in, std::string_view name, const Give& give);
  Result<> put_back(const std::string& called, const disk::DirPtr& in, std::string_view name);
  bool next_top();
  bool enter(const std::string& name);
  void remove(const std::string& name);
  void leave();
  void note(const Error& why);

  disk::Disk& disk_;
  disk::DirPtr zone_;
  std::string own_;
  std::uint64_t number_ = 0;
  disk::DirPtr trash_;
  std::unique_ptr<disk::DirStream> tops_;  ///< of the trash itself
  std::vector<disk::DirEntry> top_names_;
  bool progress_ = false;  ///< of this pass over the trash
  // The directory in it that is being emptied; null: none.
  disk::DirPtr current_;
  std::string current_name_;
  std::unique_ptr<disk::DirStream> stream_;
  std::vector<disk::DirEntry> names_;
  std::string stuck_;
};

}  // namespace longhaul::journal
