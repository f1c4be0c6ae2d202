#include "journal/manifest.h"

#include <algorithm>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "journal/manifest_stream.h"

namespace longhaul::journal {
namespace {
constexpr std::size_t scan_buffer_bytes = 256 * 1024;
}

namespace {

/// The log, ours alone. Whoever ends a transfer adopts logs that nobody locks, so one that went away between open and
/// lock is made anew.
Result<disk::FilePtr> open_locked(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name) {
  for (;;) {
    auto file = disk.open_file(directory, name, disk::Open::create_or_open, false);
    if (!file) return file;
    const auto locked = disk.try_lock(**file);
    if (!locked) return std::unexpected(locked.error());
    if (!*locked) return fail(Code::busy, "another transfer writes the manifest log " + name);
    const auto held = disk.stat(**file);
    const auto named = disk.stat(directory, name);
    if (!held) return std::unexpected(held.error());
    if (named && named->inode == held->inode) return file;
  }
}

Result<std::uint32_t> next_order(disk::Disk& disk, const disk::DirPtr& directory) {
  auto logs = list_logs(disk, directory);
  if (!logs) return std::unexpected(std::move(logs.error()));
  return logs->empty() ? 1 : logs->back().order + 1;
}

}  // namespace

Result<std::vector<LogName>> list_logs(disk::Disk& disk, const disk::DirPtr& directory) {
  std::vector<LogName> logs;
  std::vector<std::string> names;
  auto listed = each_name(disk, directory, [&](const std::string& name) {
    if (name.starts_with("manifest.") && name.ends_with(".log")) names.push_back(name);
    return true;
  });
  if (!listed) return std::unexpected(std::move(listed.error()));
  for (auto& name : names) {
    auto reader = RecordReader::open(disk, directory, name, ManifestKind::log, manifest_header_bytes);
    if (!reader && reader.error().code == Code::not_found) continue;
    if (!reader) return std::unexpected(std::move(reader.error()));
    logs.push_back({(*reader)->order(), std::move(name)});
  }
  std::ranges::sort(logs);
  return logs;
}

Result<std::unique_ptr<ManifestLog>> ManifestLog::open(disk::Disk& disk, const disk::DirPtr& directory,
                                                       const std::string& name) {
  auto file = open_locked(disk, directory, name);
  if (!file) return std::unexpected(std::move(file.error()));
  auto reader = RecordReader::begin(disk, *file, name, ManifestKind::log, scan_buffer_bytes);
  if (!reader) return std::unexpected(std::move(reader.error()));
  for (bool more = true; more;) {
    auto record = (*reader)->next();
    if (!record) return std::unexpected(std::move(record.error()));
    more = record->has_value();
  }
  auto log = std::make_unique<ManifestLog>();
  log->file_ = std::move(*file);
  log->end_ = (*reader)->offset();
  // What is behind the last whole record must not become part of a later one.
  Result<> done = disk.set_size(*log->file_, log->end_);
  if (done && !(*reader)->has_header()) {
    const auto order = next_order(disk, directory);
    if (!order) return std::unexpected(order.error());
    std::vector<std::byte> header;
    encode_manifest_header(header, *order);
    done = disk::write_now(disk, *log->file_, 0, header);
    log->end_ = header.size();
  }
  if (done) log->keep_room(disk);
  if (done) done = disk::sync_now(disk, *log->file_, true);
  if (done) done = disk.sync_dir(directory);
  if (!done) return std::unexpected(std::move(done.error()));
  return log;
}

Result<> ManifestLog::append_now(disk::Disk& disk, std::span<std::byte> records) {
  auto done = disk::write_now(disk, *file_, end_, records);
  if (done) written(records.size());
  return done;
}

void ManifestLog::keep_room(disk::Disk& disk) {
  constexpr std::uint64_t room_least = 192 * 1024;  // a group of a thousand files
  constexpr std::uint64_t room_ahead = 512 * 1024;
  if (end_ + room_least <= reserved_) return;
  reserved_ = end_ + room_ahead;
  (void)disk.allocate(*file_, reserved_);  // a wish: what is full shows when it is written to
}

Result<> read_manifest(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name, bool is_log,
                       const std::function<bool(const ManifestRecord&)>& visit) {
  auto reader =
      RecordReader::open(disk, directory, name, is_log ? ManifestKind::log : ManifestKind::sorted, scan_buffer_bytes);
  if (!reader) return std::unexpected(std::move(reader.error()));
  for (;;) {
    auto record = (*reader)->next();
    if (!record) return std::unexpected(std::move(record.error()));
    if (!record->has_value() || !visit(**record)) return {};
  }
}

}  // namespace longhaul::journal
