#include "journal/directory_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "protocol/bounds.h"

// Record: u32 record_bytes | u32 mode | i64 mtime_ns | path | u32 record_bytes (to read from behind).
namespace longhaul::journal {
namespace {

constexpr std::size_t fixed_bytes = 20;
constexpr std::size_t path_at = 16;
constexpr std::size_t tail_bytes = 4;
constexpr std::size_t buffer_bytes = 256 * 1024;

DirectoryRecord decode(const std::byte* at, std::size_t bytes) {
  DirectoryRecord record;
  record.mode = load<std::uint32_t>(at + 4);
  record.mtime_ns = load<std::int64_t>(at + 8);
  record.path = text_of({at + path_at, bytes - fixed_bytes});
  return record;
}

/// Hands over the whole records at the end of `window`, last one first; returns how many bytes before them are left.
/// `wanted`: how long the record must be of which only the end is in the window.
Result<std::size_t> visit_backwards(ConstBytes window, std::size_t& wanted,
                                    const std::function<void(const DirectoryRecord&)>& visit) {
  std::size_t end = window.size();
  wanted = fixed_bytes;
  while (end >= tail_bytes) {
    const std::size_t bytes = load<std::uint32_t>(window.data() + end - tail_bytes);
    if (bytes < fixed_bytes || bytes > fixed_bytes + protocol::path_bytes_max) {
      return fail(Code::corrupt, "a record has an impossible length");
    }
    wanted = bytes;
    if (bytes > end) break;
    const std::byte* at = window.data() + end - bytes;
    if (load<std::uint32_t>(at) != bytes) return fail(Code::corrupt, "the two lengths of a record differ");
    visit(decode(at, bytes));
    end -= bytes;
    wanted = fixed_bytes;
  }
  return end;
}

}  // namespace

Result<std::unique_ptr<DirectoryLog>> DirectoryLog::create(disk::Disk& disk, const disk::DirPtr& directory,
                                                           const std::string& name) {
  if (auto removed = unlink_if_there(disk, directory, name); !removed) {
    return std::unexpected(std::move(removed.error()));
  }
  auto file = disk.open_file(directory, name, disk::Open::create, false);
  if (!file) return std::unexpected(std::move(file.error()));
  auto log = std::unique_ptr<DirectoryLog>(new DirectoryLog(disk, directory, name));
  log->file_ = std::move(*file);
  return log;
}

Result<> DirectoryLog::append(const DirectoryRecord& record) {
  const std::size_t begin = buffer_.size();
  const std::size_t bytes = fixed_bytes + record.path.size();
  buffer_.resize(begin + bytes);
  std::byte* at = buffer_.data() + begin;
  store(at, static_cast<std::uint32_t>(bytes));
  store(at + 4, record.mode);
  store(at + 8, record.mtime_ns);
  std::ranges::copy(bytes_of(record.path), at + path_at);
  store(at + bytes - tail_bytes, static_cast<std::uint32_t>(bytes));
  ++count_;
  return buffer_.size() >= buffer_bytes ? flush() : Result<>{};
}

Result<> DirectoryLog::flush() {
  if (buffer_.empty()) return {};
  if (auto written = disk::write_now(disk_, *file_, end_, buffer_); !written) return written;
  end_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<> DirectoryLog::read_backwards(const std::function<void(const DirectoryRecord&)>& visit) {
  if (auto flushed = flush(); !flushed) return flushed;
  std::vector<std::byte> window;
  std::size_t wanted = 0;
  for (std::uint64_t end = end_; end > 0;) {
    const std::size_t bytes = std::min<std::uint64_t>(end, std::max(buffer_bytes, wanted));
    window.resize(bytes);
    auto got = disk::read_now(disk_, *file_, end - bytes, window);
    if (!got) return std::unexpected(std::move(got.error()));
    auto left = *got == bytes ? visit_backwards(window, wanted, visit) : fail(Code::corrupt, "it has become shorter");
    if (left && *left == bytes && bytes == end) left = fail(Code::corrupt, "its first record has no beginning");
    if (!left) {
      left.error().text = fmt::format("the list of directories {} is damaged: {}; run again", name_, left.error().text);
      return std::unexpected(std::move(left.error()));
    }
    end -= bytes - *left;
  }
  return {};
}

Result<> DirectoryLog::remove() {
  file_.reset();
  return unlink_if_there(disk_, directory_, name_);
}

}  // namespace longhaul::journal
