// Where a walk is in a list of names: the name at hand, and the directories that lead to it. Inside this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "disk/sorted_names.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// Since the names come in the order of a walk, what has been announced needs to be known only of the directories that
/// lead to the last name. Used by one thread.
class ListCursor {
 public:
  /// How much of what is in a directory has been announced with it.
  enum class Content : std::uint8_t { none, one_level, all };
  /// A directory on the way to the name at hand that has been announced.
  struct Lead {
    std::size_t path_bytes = 0;  ///< how much of the name leads to it
    Content content = Content::none;
    std::uint64_t device = 0;  ///< of the walk that announced it
    /// What holds for a directory in it that was announced with it.
    [[nodiscard]] Content beneath() const { return content == Content::all ? Content::all : Content::none; }
  };

  explicit ListCursor(std::shared_ptr<const SortedNames> names) : pass_(std::move(names)) {}

  /// To the next name; false: there is none. Directories that do not lead to it are forgotten. Errors: the list.
  Result<bool> next(Disk& disk);
  [[nodiscard]] bool at_hand() const { return at_hand_; }
  void done() { at_hand_ = false; }
  [[nodiscard]] const ListedName& name() const { return name_; }
  /// The directory beneath `base` that leads to `path`, which is the name at hand or leads there, and what it is called
  /// in it. Kept open for the next names in it, and for what is beneath.
  Result<DirPtr> directory_of(Disk& disk, const DirPtr& base, std::string_view path);
  [[nodiscard]] static std::string_view leaf_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

  /// The deepest one. There is always one: the directory that the names are relative to, which is announced only when
  /// the list names it.
  [[nodiscard]] const Lead& lead() const { return leads_.back(); }
  /// The path of the next directory on the way to the name that is none yet.
  [[nodiscard]] std::optional<std::string_view> next_lead() const;
  void add_lead(const Lead& lead);

 private:
  SortedNames::Pass pass_;
  ListedName name_;
  bool at_hand_ = false;
  std::vector<Lead> leads_ = {Lead{}};
  std::string leads_path_;  ///< of the deepest
  std::string open_path_;
  DirPtr open_;
};

}  // namespace longhaul::disk
