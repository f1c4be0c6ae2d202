// The desk's last work, when every file is there: further names of files, then directories.
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"

namespace longhaul::engine {
namespace {
constexpr std::size_t told_max = 100;
}

Result<LateFailures> Desk::finish(bool errors) {
  if (!directories_) return LateFailures{};
  if (auto finished = finish_links(); !finished) return std::unexpected(finished.error());
  // Behind the last name that is made there, and before the directories get their times: it takes some out of others.
  setup_.zone->sweep(setup_.scratch_name);
  if (setup_.mirror != nullptr)  // before the directories get their times, which it changes
    if (auto made = setup_.mirror->finish(errors || late_.count > 0); !made) return std::unexpected(made.error());
  if (auto finished = finish_directories(); !finished) return std::unexpected(finished.error());
  return std::move(late_);
}

void LateFailures::add(const std::string& path, Error error) {
  ++count;
  log::warn(printable(path) + ": " + error.text);
  if (first.size() < told_max) first.push_back({path, std::move(error)});
}

void LateFailures::add(LateFailures others) {
  count += others.count;
  for (FileError& each : others.first)
    if (first.size() < told_max) first.push_back(std::move(each));
}

Result<> Desk::finish_links() {
  Result<> read;
  if (links_->count() > 0)
    read = links_->read_backwards([&](const Entry& link) {
      if (auto made = finish_link(link); !made) late_.add(link.path, std::move(made.error()));
    });
  // Names of one directory stand together, so that each is synced a few times only.
  std::optional<std::string> synced_last;
  if (read && links_->count() > 0)
    read = links_->read_backwards([&](const Entry& link) {
      std::string parent = split_path(link.path).first;
      if (parent == synced_last) return;
      const auto dir = directory(parent);
      const Result<> synced = dir ? setup_.disk.sync_dir(*dir) : Result<>();  // that it is not there was told above
      if (!synced) late_.add(link.path, synced.error());
      synced_last = std::move(parent);
    });
  if (!read) return read;
  if (auto removed = links_->remove(); !removed) return removed;
  links_.reset();
  return {};
}

Result<> Desk::finish_link(const Entry& link) {
  const auto [file_parent_path, file_name] = split_path(link.link_target);
  const auto [parent_path, name] = split_path(link.path);
  const auto file_parent = directory(file_parent_path);
  const auto parent = directory(parent_path);
  if (!parent) return std::unexpected(parent.error());
  const Result<disk::Stat> file =
      file_parent ? setup_.disk.stat(*file_parent, file_name) : std::unexpected(file_parent.error());
  if (!file && setup_.leave_alone.missing) return {};  // left alone, and this name with it
  if (!file || file->type != disk::FileType::file)
    return fail(Code::not_found, "it is a hard link to " + printable(link.link_target) + ", which did not arrive");
  if (file->size != link.size || !unchanged(*file, link))  // left alone, or not sent for an error
    return fail(Code::source_changed, "it is a hard link to " + printable(link.link_target) +
                                          ", which is at the target in another version; without --hard-links it is "
                                          "sent by itself");
  const auto there = look(link, *parent, name);
  if (!there && there.error().code != Code::not_found) return std::unexpected(there.error());
  const bool there_already = there && there->inode == file->inode && there->device == file->device;
  Result<bool> made = there_already;
  const bool spared = there && left_alone(link, there);  // which may be another answer than when it was announced
  if (!there_already && !spared) {
    const bool displaces = there && is_in_the_way(link, *there);
    made = put_in_place(link, *parent, displaces, [&](const disk::DirPtr& zone, const std::string& scratch) {
      return setup_.disk.make_hard_link(*file_parent, file_name, zone, scratch);
    });
  }
  if (!made) return std::unexpected(made.error());
  (*made ? setup_.counters.hard_links : setup_.counters.left_alone).fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<> Desk::finish_directory(const Entry& entry) {
  auto dir = setup_.disk.open_dir(root(), entry.path);
  if (!dir) return std::unexpected(dir.error());
  Unkept unkept;
  Result<> finished = set_properties(setup_.disk, *dir, "", entry, unkept);
  setup_.counters.count(unkept);
  // One that its owner cannot read cannot be opened again to be synced.
  if (finished && (entry.mode & 0400) == 0) finished = setup_.disk.sync_dir(*dir);
  return finished;
}

Result<> Desk::finish_directories() {
  auto read = directories_->read_backwards([&](const Entry& entry) {
    if (auto finished = finish_directory(entry); !finished) late_.add(entry.path, std::move(finished.error()));
  });
  // Synced in a second pass: one commit of the file system then serves many directories.
  if (read)
    read = directories_->read_backwards([&](const Entry& entry) {
      if ((entry.mode & 0400) == 0) return;
      auto dir = setup_.disk.open_dir(root(), entry.path);
      const Result<> synced = dir ? setup_.disk.sync_dir(*dir) : Result<>();  // that it is not there was told above
      if (!synced) late_.add(entry.path, synced.error());
    });
  if (!read) return read;
  if (auto removed = directories_->remove(); !removed) return removed;
  directories_.reset();
  return {};
}

Result<> Desk::settle_trees() {
  return trees_ ? trees_->remove_left_over() : Result<>();
}

void Desk::publish_trees(bool whole, LateFailures& late) {
  if (!trees_) return;
  std::vector<FileError> failures;
  trees_->publish(whole && late.count == 0, failures);
  late.count += failures.size();
  // They come first: of all that went wrong this is what the user must hear.
  late.first.insert(late.first.begin(), failures.begin(), failures.end());
}

std::vector<std::string> Desk::tree_logs() const {
  return trees_ ? trees_->logs() : std::vector<std::string>();
}

void Desk::abandon() {
  if (directories_) (void)directories_->remove();
  if (links_) (void)links_->remove();
}

}  // namespace longhaul::engine
