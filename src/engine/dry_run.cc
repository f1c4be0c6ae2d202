#include "engine/dry_run.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "engine/landing_ops.h"
#include "engine/properties.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

/// To which granularity a file system keeps times. The desk finds out with a file of its own; here the time of change
/// tells, which the system sets and nobody else: digits that it lacks are not kept.
std::int64_t granularity_of(const disk::Stat& there) {
  if (there.ctime_ns == 0) return 1;  // it does not tell
  constexpr std::array<std::int64_t, 6> steps = {2'000'000'000, 1'000'000'000, 1'000'000, 1000, 100, 1};
  return *std::ranges::find_if(steps, [&](std::int64_t step) { return there.ctime_ns % step == 0; });
}

bool same_time(const Entry& entry, const disk::Stat& there) {
  const std::int64_t step = granularity_of(there);
  return there.mtime_ns / step == entry.mtime_ns / step;
}

}  // namespace

std::string name_below(const Entry& entry) {
  if (entry.type != EntryType::directory) return entry.path;
  return entry.path.empty() ? "./" : entry.path + '/';
}

protocol::Verdict::Would to_wire(Would would) {
  switch (would) {
    case Would::make:
      return protocol::Verdict::MAKE;
    case Would::change:
      return protocol::Verdict::CHANGE;
    case Would::set_properties:
      return protocol::Verdict::SET_PROPERTIES;
    case Would::nothing:
    case Would::leave_alone:
    case Would::remove:
      break;
  }
  return protocol::Verdict::NOTHING;
}

Would would_of(const protocol::Verdict& verdict) {
  if (verdict.left_alone()) return Would::leave_alone;
  switch (verdict.would()) {
    case protocol::Verdict::MAKE:
      return Would::make;
    case protocol::Verdict::CHANGE:
      return Would::change;
    case protocol::Verdict::SET_PROPERTIES:
      return Would::set_properties;
    default:
      return Would::nothing;
  }
}

bool is_same(const protocol::Verdict& verdict) {
  if (verdict.action() != protocol::Verdict::SKIP) return false;
  const Would would = would_of(verdict);
  return would == Would::nothing || would == Would::set_properties;
}

Decision DryRun::decide(Entry entry) {
  if (entry.type == EntryType::file) {
    setup_.counters.files_found.fetch_add(1, std::memory_order_relaxed);
    setup_.counters.bytes_found.fetch_add(entry.size, std::memory_order_relaxed);
  }
  setup_.counters.entries.fetch_add(1, std::memory_order_relaxed);
  auto sane = check_target_path(entry.path);
  if (sane && entry.type == EntryType::mention) {
    Decision done;
    done.verdict.set_action(protocol::Verdict::DONE);
    return done;
  }
  hold_to_what_is_allowed(setup_.disk, setup_.sink, setup_.counters, entry);
  auto would = sane ? judge(entry) : std::unexpected(std::move(sane.error()));
  if (std::exchange(must_compare_, false)) {
    Decision decision;
    decision.verdict.set_action(protocol::Verdict::COMPARE);
    decision.compare = std::move(entry);
    return decision;
  }
  return tell(entry, std::move(would));
}

Decision DryRun::decide_compared(const Entry& entry, const ComparedContent& found) {
  compared_ = &found;
  auto would = judge(entry);
  compared_ = nullptr;
  return tell(entry, std::move(would));
}

Decision DryRun::tell(const Entry& entry, Result<Would> would) {
  Decision decision;
  protocol::Verdict& verdict = decision.verdict;
  if (!would) {
    verdict.set_action(protocol::Verdict::REFUSE);
    verdict.set_code(static_cast<std::uint32_t>(would.error().code));
    verdict.set_text(would.error().text.substr(0, protocol::text_bytes_max));
    return decision;
  }
  count(entry, *would);
  if (setup_.told) setup_.told(*would, name_below(entry));
  verdict.set_action(protocol::Verdict::SKIP);
  verdict.set_left_alone(*would == Would::leave_alone);
  verdict.set_would(to_wire(*would));
  return decision;
}

Result<Would> DryRun::judge(const Entry& entry) {
  if (entry.type == EntryType::special)
    if (auto may = may_take_special(setup_.sink, entry); !may) return std::unexpected(may.error());
  if (!setup_.root) return setup_.leave_alone.missing && !entry.path.empty() ? Would::leave_alone : Would::make;
  if (entry.path.empty()) {
    if (entry.type != EntryType::directory) return fail(Code::refused, "a file without a name is refused");
    const auto there = setup_.disk.stat(setup_.root, "");
    if (!there) return std::unexpected(there.error());
    return compare(entry, setup_.root, "", *there);
  }
  auto [parent_path, name] = split_path(entry.path);
  if (!parent_ || parent_path != parent_path_) {
    auto opened = setup_.disk.open_dir(setup_.root, parent_path);
    if (!opened && is_left_alone_beneath(setup_.leave_alone, opened.error())) return Would::leave_alone;
    // Not made yet, or what stands in its place would be gone by now.
    const int why = opened ? 0 : opened.error().system_errno;
    if (why == ENOENT || (setup_.mirror != nullptr && (why == ENOTDIR || why == ELOOP)))
      return setup_.leave_alone.missing ? Would::leave_alone : Would::make;
    if (!opened)
      return fail(opened.error().code,
                  "cannot open the directory of " + printable(entry.path) + ": " + opened.error().text);
    parent_ = std::move(*opened);
    parent_path_ = std::move(parent_path);
  }
  return judge_beneath(entry, parent_, name);
}

Result<Would> DryRun::judge_beneath(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  const auto there = setup_.disk.stat(parent, name);
  if (!there && there.error().code != Code::not_found) return std::unexpected(there.error());
  const std::int64_t granularity = there ? granularity_of(*there) : 1;
  if (is_left_alone(setup_.leave_alone, entry, there, granularity)) return Would::leave_alone;
  if (!there) return Would::make;
  if (!is_in_the_way(entry, *there)) return compare(entry, parent, name, *there);
  if (setup_.mirror == nullptr) return std::unexpected(in_the_way(entry));
  const auto room = setup_.mirror->make_room(entry.path, *there);
  if (!room) return std::unexpected(room.error());
  if (!*room) return std::unexpected(in_the_way(entry, "something in it stays"));
  return Would::change;
}

/// As the desk, with what is there and no directory in a file's place.
Would DryRun::compare(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                      const disk::Stat& there) {
  const auto of_same_kind = [&] {
    const bool differs = properties_differ(setup_.disk, parent, name, there, entry);
    return differs || !same_time(entry, there) ? Would::set_properties : Would::nothing;
  };
  switch (entry.type) {
    case EntryType::directory:
      return of_same_kind();
    case EntryType::symlink: {
      if (there.type != disk::FileType::symlink) return Would::change;
      const auto target = setup_.disk.read_link(parent, name);
      return target && *target == entry.link_target ? of_same_kind() : Would::change;
    }
    case EntryType::special:
      return there.special == entry.special && there.mode == entry.mode ? of_same_kind() : Would::change;
    case EntryType::hard_link:
      return compare_link(entry, there);
    case EntryType::file:
    case EntryType::mention:
      break;
  }
  must_compare_ = setup_.checksum && must_be_compared(entry, there, compared_);
  return stays(entry, there) ? of_same_kind() : Would::change;
}

bool DryRun::stays(const Entry& entry, const disk::Stat& there) const {
  if (setup_.checksum) return has_same_content(entry, there, compared_);
  return is_of_same_size(entry, there) && same_time(entry, there);
}

Would DryRun::compare_link(const Entry& entry, const disk::Stat& there) {
  if (!check_target_path(entry.link_target)) return Would::change;
  const auto file = setup_.disk.stat(setup_.root, entry.link_target);
  const bool one = file && file->inode == there.inode && file->device == there.device;
  return one ? Would::nothing : Would::change;
}

void DryRun::count(const Entry& entry, Would would) {
  ReceiveCounters& counters = setup_.counters;
  const auto add = [](std::atomic<std::uint64_t>& counter, std::uint64_t number) {
    counter.fetch_add(number, std::memory_order_relaxed);
  };
  if (would == Would::leave_alone) add(counters.left_alone, 1);
  if (would == Would::set_properties) add(counters.would_change, 1);
  const bool made = would == Would::make || would == Would::change;
  if (entry.type == EntryType::file) {
    add(made ? counters.would_send_files : counters.skipped_files, 1);
    add(made ? counters.would_send_bytes : counters.skipped_bytes, entry.size);
  }
  if (!made) return;
  if (entry.type == EntryType::directory) add(counters.directories, 1);
  if (entry.type == EntryType::symlink) add(counters.symlinks, 1);
  if (entry.type == EntryType::hard_link) add(counters.hard_links, 1);
  if (entry.type == EntryType::special) add(counters.specials, 1);
}

}  // namespace longhaul::engine

namespace longhaul {

std::string_view name_of(Would would) {
  switch (would) {
    case Would::make:
      return "new";
    case Would::change:
      return "changed";
    case Would::set_properties:
      return "properties";
    case Would::nothing:
      return "same";
    case Would::leave_alone:
      return "left-alone";
    case Would::remove:
      return "delete";
  }
  return "same";
}

}  // namespace longhaul
