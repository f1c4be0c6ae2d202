#include "journal/entry_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"

// Record: u32 record_bytes | protocol::Entry | u32 record_bytes (to read from behind).
namespace longhaul::journal {
namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t fixed_bytes = 2 * length_bytes;
constexpr std::size_t record_bytes_max = 2 * protocol::path_bytes_max + 2 * protocol::attribute_bytes_max;
constexpr std::size_t buffer_bytes = 256 * 1024;

Result<Entry> decode(const std::byte* at, std::size_t bytes) {
  protocol::Entry entry;
  if (!entry.ParseFromArray(at + length_bytes, static_cast<int>(bytes - fixed_bytes)))
    return fail(Code::corrupt, "a record is none");
  return protocol::from_wire(std::move(entry));
}

/// Hands over the whole records at the end of `window`, last one first; returns how many bytes before them are left.
/// `wanted`: how long the record must be of which only the end is in the window.
Result<std::size_t> visit_backwards(ConstBytes window, std::size_t& wanted,
                                    const std::function<void(const Entry&)>& visit) {
  std::size_t end = window.size();
  wanted = fixed_bytes;
  while (end >= length_bytes) {
    const std::size_t bytes = load<std::uint32_t>(window.data() + end - length_bytes);
    if (bytes < fixed_bytes || bytes > record_bytes_max) {
      return fail(Code::corrupt, "a record has an impossible length");
    }
    wanted = bytes;
    if (bytes > end) break;
    const std::byte* at = window.data() + end - bytes;
    if (load<std::uint32_t>(at) != bytes) return fail(Code::corrupt, "the two lengths of a record differ");
    const auto entry = decode(at, bytes);
    if (!entry) return std::unexpected(entry.error());
    visit(*entry);
    end -= bytes;
    wanted = fixed_bytes;
  }
  return end;
}

}  // namespace

Result<std::unique_ptr<EntryLog>> EntryLog::create(disk::Disk& disk, const disk::DirPtr& directory,
                                                   const std::string& name) {
  if (auto removed = unlink_if_there(disk, directory, name); !removed) {
    return std::unexpected(std::move(removed.error()));
  }
  auto file = disk.open_file(directory, name, disk::Open::create, false);
  if (!file) return std::unexpected(std::move(file.error()));
  auto log = std::unique_ptr<EntryLog>(new EntryLog(disk, directory, name));
  log->file_ = std::move(*file);
  return log;
}

Result<> EntryLog::append(const Entry& entry) {
  const protocol::Entry record = protocol::to_wire(entry);
  const std::size_t begin = buffer_.size();
  const std::size_t bytes = fixed_bytes + record.ByteSizeLong();
  if (bytes > record_bytes_max) return fail(Code::unsupported, "its name and attributes are too long to be kept");
  buffer_.resize(begin + bytes);
  std::byte* at = buffer_.data() + begin;
  store(at, static_cast<std::uint32_t>(bytes));
  record.SerializeToArray(at + length_bytes, static_cast<int>(bytes - fixed_bytes));
  store(at + bytes - length_bytes, static_cast<std::uint32_t>(bytes));
  ++count_;
  return buffer_.size() >= buffer_bytes ? flush() : Result<>{};
}

Result<> EntryLog::flush() {
  if (buffer_.empty()) return {};
  if (auto written = disk::write_now(disk_, *file_, end_, buffer_); !written) return written;
  end_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<> EntryLog::read_backwards(const std::function<void(const Entry&)>& visit) {
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
      left.error().text = fmt::format("the list {} is damaged: {}; run again", name_, left.error().text);
      return std::unexpected(std::move(left.error()));
    }
    end -= bytes - *left;
  }
  return {};
}

Result<> EntryLog::remove() {
  file_.reset();
  return unlink_if_there(disk_, directory_, name_);
}

}  // namespace longhaul::journal
