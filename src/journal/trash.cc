#include "journal/trash.h"

#include <cerrno>
#include <utility>

namespace longhaul::journal {
namespace {

constexpr std::string_view trash_name = "trash";
constexpr std::size_t names_per_batch = 256;

bool is_directory_error(const Error& error) {
  return error.system_errno == EISDIR || error.system_errno == EPERM;  // POSIX has the second one
}

}  // namespace

Result<> Trash::open() {
  if (trash_) return {};
  auto made = disk_.make_dir(zone_, trash_name, 0700);
  if (!made && made.error().system_errno != EEXIST) return made;
  auto opened = disk_.open_dir(zone_, trash_name);
  if (!opened) return std::unexpected(std::move(opened.error()));
  trash_ = *std::move(opened);
  return {};
}

/// `move` moves the directory `name`. One that its owner may not write to cannot be moved: its ".." changes.
Result<> Trash::at_directory(const disk::DirPtr& in, std::string_view name, const std::function<Result<>()>& move) {
  auto moved = move();
  if (moved || moved.error().code != Code::permission) return moved;
  const auto directory = disk_.open_dir(in, name);
  return directory && disk_.set_mode(*directory, 0700) ? move() : moved;
}

/// Returns its new name.
Result<std::string> Trash::move_up(const disk::DirPtr& in, std::string_view name) {
  std::string there = next_name();
  auto moved = at_directory(in, name, [&] { return disk_.rename(in, name, trash_, there); });
  if (!moved) return std::unexpected(std::move(moved.error()));
  return there;
}

Result<> Trash::take(const disk::DirPtr& in, std::string_view name) {
  const auto stat = disk_.stat(in, name);
  if (!stat) return stat.error().code == Code::not_found ? Result<>() : std::unexpected(stat.error());
  if (stat->type != disk::FileType::directory) return disk_.unlink(in, name);
  if (auto opened = open(); !opened) return opened;
  const auto taken = move_up(in, name);
  return taken ? Result<>() : std::unexpected(taken.error());
}

Result<> Trash::displace(const disk::DirPtr& in, std::string_view name, const Naming& naming) {
  if (auto opened = open(); !opened) return opened;
  const std::string here = next_name();
  if (auto given = naming.give(trash_, here); !given) {
    // Perhaps only the trash cannot have it, as on another mount.
    return given.error().system_errno == EXDEV ? displace_in_two_steps(in, name, naming.give) : given;
  }
  auto swapped = at_directory(in, name, [&] { return disk_.exchange(trash_, here, in, name); });
  if (swapped) return {};
  if (swapped.error().code == Code::unsupported)
    swapped = displace_in_two_steps(
        in, name, [&](const disk::DirPtr& to, std::string_view as) { return disk_.rename(trash_, here, to, as); });
  else if (swapped.error().code == Code::not_found)  // it has gone meanwhile
    swapped = disk_.rename(trash_, here, in, name);
  else
    swapped.error().text = "what is there cannot be taken away: " + swapped.error().text;
  if (!swapped) naming.take_back(trash_, here);
  return swapped;
}

Result<> Trash::displace_in_two_steps(const disk::DirPtr& in, std::string_view name, const Give& give) {
  const auto taken = move_up(in, name);
  if (!taken) return fail(taken.error().code, "what is there cannot be taken away: " + taken.error().text);
  auto given = give(in, name);
  if (given) return given;
  if (const auto back = put_back(*taken, in, name); !back)
    given.error().text += "; and what was there cannot be put back: " + back.error().text;
  return given;
}

Result<> Trash::put_back(const std::string& called, const disk::DirPtr& in, std::string_view name) {
  auto back = disk_.rename_to_new(trash_, called, in, name);
  if (back || back.error().code != Code::unsupported) return back;
  const auto there = disk_.stat(in, name);
  if (there || there.error().code != Code::not_found)
    return there ? fail(Code::busy, "something else has its name by now", EEXIST) : std::unexpected(there.error());
  return disk_.rename(trash_, called, in, name);
}

void Trash::note(const Error& why) {
  if (stuck_.empty()) stuck_ = why.text;
}

bool Trash::remove_some(std::size_t names) {
  if (!trash_) {
    auto opened = disk_.open_dir(zone_, trash_name);
    if (!opened) return false;  // there has never been any
    trash_ = *std::move(opened);
  }
  for (std::size_t done = 0; done < names; ++done) {
    if (!current_ && !next_top()) return false;
    if (!current_) continue;
    if (names_.empty()) {
      const auto more = stream_->next(names_, names_per_batch);
      if (!more) note(more.error());
      if (!more || !*more) {
        leave();
        continue;
      }
    }
    const disk::DirEntry entry = std::move(names_.back());
    names_.pop_back();
    remove(entry.name);
  }
  return true;
}

/// Goes on to the next name of the trash; false when a whole pass over it has removed nothing.
bool Trash::next_top() {
  while (top_names_.empty()) {
    if (!tops_) {
      auto stream = disk_.open_stream(trash_, 0);
      if (!stream) return false;
      tops_ = *std::move(stream);
      progress_ = false;
    }
    const auto more = tops_->next(top_names_, names_per_batch);
    if (more && *more) break;
    tops_.reset();
    if (!more || !progress_) return false;
  }
  const disk::DirEntry top = std::move(top_names_.back());
  top_names_.pop_back();
  if (enter(top.name)) return true;
  if (disk_.unlink(trash_, top.name)) progress_ = true;  // no directory: nobody of ours puts such a thing there
  return true;
}

bool Trash::enter(const std::string& name) {
  auto directory = disk_.open_dir(trash_, name);
  if (!directory) return false;
  const auto stat = disk_.stat(*directory, "");
  if (stat && (stat->mode & 0700) != 0700) {
    // It was opened for passing through only: again, now that it may be read.
    if (auto changed = disk_.set_mode(*directory, 0700); !changed) note(changed.error());
    directory = disk_.open_dir(trash_, name);
    if (!directory) return false;
  }
  auto stream = disk_.open_stream(*directory, 0);
  if (!stream) {
    note(stream.error());
    return true;
  }
  current_ = *std::move(directory);
  current_name_ = name;
  stream_ = *std::move(stream);
  names_.clear();
  return true;
}

void Trash::remove(const std::string& name) {
  Result<> removed = disk_.unlink(current_, name);
  if (!removed && is_directory_error(removed.error())) {
    const auto moved = move_up(current_, name);
    removed = moved ? Result<>() : std::unexpected(moved.error());
  }
  if (removed)
    progress_ = true;
  else if (removed.error().code != Code::not_found)  // another receiver removes it, too
    note(removed.error());
}

/// What came meanwhile, or was passed over by a listing that changed under it, is left to the next pass.
void Trash::leave() {
  if (disk_.remove_dir(trash_, current_name_)) progress_ = true;
  current_.reset();
  stream_.reset();
}

}  // namespace longhaul::journal
