// What a desk finds of an entry without doing anything.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "engine/desk.h"

namespace longhaul::engine {
namespace {

const char* words_for(EntryType type) {
  switch (type) {
    case EntryType::directory:
      return "a directory";
    case EntryType::symlink:
      return "a symlink";
    case EntryType::special:
      return "a special file";
    case EntryType::file:
    case EntryType::hard_link:
    case EntryType::mention:
      return "a file";
  }
  return "a file";
}

}  // namespace

bool is_left_alone(const LeaveAlone& asked, const Entry& entry, const Result<disk::Stat>& there,
                   std::int64_t granularity_ns) {
  if (!there) return asked.missing && there.error().code == Code::not_found;
  const bool both_directories = entry.type == EntryType::directory && there->type == disk::FileType::directory;
  if (asked.existing && !both_directories) return true;
  const bool is_file = entry.type == EntryType::file || entry.type == EntryType::hard_link;
  const bool both_files = is_file && there->type == disk::FileType::file;
  return asked.newer && both_files && there->mtime_ns / granularity_ns > entry.mtime_ns / granularity_ns;
}

bool is_left_alone_beneath(const LeaveAlone& asked, const Error& why) {
  const bool not_made = asked.missing && why.system_errno == ENOENT;
  const bool no_directory = asked.existing && (why.system_errno == ENOTDIR || why.system_errno == ELOOP);
  return not_made || no_directory;
}

void hold_to_what_is_allowed(disk::Disk& disk, const Sink& sink, ReceiveCounters& counters, Entry& entry) {
  constexpr std::uint32_t set_ids = 06000;
  const bool powers = sink.takes_special();
  entry.mode &= 07777;
  if (!powers && (entry.mode & set_ids) != 0) {
    entry.mode &= ~set_ids;
    counters.modes_not_kept.fetch_add(1, std::memory_order_relaxed);
  }
  if (entry.owner) entry.owner = disk.with_numbers(*std::move(entry.owner));
  if (!entry.attributes || powers) return;
  const auto gives_powers = [](const Attribute& each) {
    return !each.name.starts_with("user.") && !each.name.starts_with("system.posix_acl_");
  };
  if (std::erase_if(entry.attributes->list, gives_powers) > 0)
    counters.attributes_not_kept.fetch_add(1, std::memory_order_relaxed);
}

Result<> may_take_special(const Sink& sink, const Entry& entry) {
  if (!sink.takes_special())
    return fail(Code::refused, printable(entry.path) +
                                   " is a pipe, socket or device, which this receiver does not make; start it with "
                                   "--special if the sender is trusted with that");
  if (entry.special) return {};
  return fail(Code::protocol, printable(entry.path) + " was announced in a way that makes no sense");
}

Error in_the_way(const Entry& entry, std::string_view why) {
  const char* there = entry.type == EntryType::directory ? "something else" : "a directory";
  return {Code::busy,
          fmt::format("{} is {} at the sender and {} at the target; {}{}move that away first", printable(entry.path),
                      words_for(entry.type), there, why, why.empty() ? "" : ": "),
          0};
}

}  // namespace longhaul::engine
