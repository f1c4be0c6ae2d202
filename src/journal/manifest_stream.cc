#include "journal/manifest_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "protocol/bounds.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view magic = "LHMANIF1";
constexpr std::uint32_t version = 1;
constexpr std::byte type_file{1};
constexpr std::byte type_end{2};
constexpr std::byte type_tree{3};
constexpr std::byte type_gone{4};
constexpr std::size_t path_at = 44;
constexpr std::size_t buffer_bytes_min = 256;

void encode(std::byte type, const ManifestRecord& record, std::vector<std::byte>& out) {
  const std::size_t begin = out.size();
  const std::size_t bytes = manifest_fixed_bytes + record.path.size();
  out.resize(begin + bytes);
  std::byte* at = out.data() + begin;
  store(at, static_cast<std::uint32_t>(bytes));
  at[4] = type;
  store(at + 8, static_cast<std::uint32_t>(record.path.size()));
  store(at + 12, record.size);
  store(at + 20, record.mtime_ns);
  std::memcpy(at + 28, record.root.bytes.data(), sizeof(Digest));
  std::memcpy(at + path_at, record.path.data(), record.path.size());
  store(at + bytes - 8, check_of({at, bytes - 8}));
}

/// How many bytes the record that begins here says it has; 0 when that cannot be.
std::size_t record_size(const std::byte* at) {
  const std::size_t bytes = load<std::uint32_t>(at);
  const std::size_t path_bytes = load<std::uint32_t>(at + 8);
  return path_bytes <= protocol::path_bytes_max && bytes == manifest_fixed_bytes + path_bytes ? bytes : 0;
}

ManifestRecord decode(const std::byte* at, std::size_t bytes) {
  ManifestRecord record;
  record.size = load<std::uint64_t>(at + 12);
  record.mtime_ns = load<std::int64_t>(at + 20);
  std::memcpy(record.root.bytes.data(), at + 28, sizeof(Digest));
  record.path = text_of({at + path_at, bytes - manifest_fixed_bytes});
  record.is_tree = at[4] == type_tree;
  record.gone = at[4] == type_gone;
  return record;
}

}  // namespace

void encode_manifest_record(const ManifestRecord& record, std::vector<std::byte>& out) {
  const std::byte type = record.is_tree ? type_tree : record.gone ? type_gone : type_file;
  encode(type, record, out);
}

void encode_manifest_end(std::uint64_t records, std::vector<std::byte>& out) {
  ManifestRecord end;
  end.size = records;
  encode(type_end, end, out);
}

void encode_manifest_header(std::vector<std::byte>& out, std::uint32_t order) {
  const std::size_t begin = out.size();
  out.resize(begin + manifest_header_bytes);
  std::memcpy(out.data() + begin, magic.data(), magic.size());
  store(out.data() + begin + 8, version);
  store(out.data() + begin + 12, order);
}

Result<std::unique_ptr<RecordReader>> RecordReader::open(disk::Disk& disk, const disk::DirPtr& directory,
                                                         const std::string& name, ManifestKind kind,
                                                         std::size_t buffer_bytes) {
  auto file = disk.open_file(directory, name, disk::Open::read, false);
  if (!file) return std::unexpected(std::move(file.error()));
  return begin(disk, std::move(*file), name, kind, buffer_bytes);
}

Result<std::unique_ptr<RecordReader>> RecordReader::begin(disk::Disk& disk, disk::FilePtr file, std::string name,
                                                          ManifestKind kind, std::size_t buffer_bytes) {
  auto reader = std::unique_ptr<RecordReader>(
      new RecordReader(disk, std::move(file), std::move(name), kind, std::max(buffer_bytes, buffer_bytes_min)));
  if (auto header = reader->read_header(); !header) return std::unexpected(std::move(header.error()));
  return reader;
}

Result<> RecordReader::read_header() {
  auto there = need(manifest_header_bytes);
  if (!there) return std::unexpected(std::move(there.error()));
  const bool zeros = std::all_of(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(end_ - begin_),
                                 [](std::byte b) { return b == std::byte{0}; });
  if (kind_ == ManifestKind::log && (!*there || zeros)) {
    ended_ = true;
    return {};
  }
  if (!*there || std::memcmp(buffer_.data(), magic.data(), magic.size()) != 0) return damaged("it has no header");
  if (load<std::uint32_t>(buffer_.data() + 8) != version) {
    return fail(Code::unsupported,
                fmt::format("manifest {} has a format that this version of Longhaul does not know; use "
                            "the version that wrote it",
                            name_));
  }
  has_header_ = true;
  order_ = load<std::uint32_t>(buffer_.data() + 12);
  begin_ += manifest_header_bytes;
  return {};
}

/// Makes `bytes` bytes available at begin_; false when the file ends before.
Result<bool> RecordReader::need(std::size_t bytes) {
  if (end_ - begin_ >= bytes) return true;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  begin_offset_ += begin_;
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  auto got = disk::read_now(disk_, *file_, begin_offset_ + end_, Bytes(buffer_).subspan(end_));
  if (!got) return std::unexpected(std::move(got.error()));
  end_ += *got;
  return end_ >= bytes;
}

std::unexpected<Error> RecordReader::damaged(const char* how) const {
  return fail(Code::corrupt, fmt::format("manifest {} is damaged at byte {}: {}; move it away and transfer again with "
                                         "the same target to write a new one",
                                         name_, offset(), how));
}

Result<std::optional<ManifestRecord>> RecordReader::next() {
  if (ended_) return std::nullopt;
  const bool sorted = kind_ == ManifestKind::sorted;
  auto there = need(manifest_fixed_bytes);
  if (!there) return std::unexpected(std::move(there.error()));
  std::size_t bytes = *there ? record_size(buffer_.data() + begin_) : 0;
  if (bytes > 0) {
    there = need(bytes);
    if (!there) return std::unexpected(std::move(there.error()));
    if (!*there) bytes = 0;
  }
  const std::byte* at = buffer_.data() + begin_;
  if (bytes == 0 || load<std::uint64_t>(at + bytes - 8) != check_of({at, bytes - 8})) {
    if (sorted) return damaged(end_ == begin_ ? "it ends before its end record" : "a record does not match its check");
    ended_ = true;
    return std::nullopt;
  }
  ManifestRecord record = decode(at, bytes);
  if (sorted && at[4] == type_end) return check_end(record.size);
  if ((at[4] != type_file && at[4] != type_tree && at[4] != type_gone) || record.path.empty()) {
    if (sorted) return damaged("a record of an unknown type");
    ended_ = true;
    return std::nullopt;
  }
  if (sorted) return check_order(std::move(record));
  begin_ += bytes;
  return record;
}

Result<std::optional<ManifestRecord>> RecordReader::check_order(ManifestRecord record) {
  if (records_ > 0 && record.path <= last_path_) return damaged("its paths are not in order");
  begin_ += manifest_fixed_bytes + record.path.size();
  ++records_;
  last_path_ = record.path;
  return record;
}

Result<std::optional<ManifestRecord>> RecordReader::check_end(std::uint64_t counted) {
  if (counted != records_) return damaged("records are missing");
  begin_ += manifest_fixed_bytes;
  ended_ = true;
  auto more = need(1);
  if (!more) return std::unexpected(std::move(more.error()));
  if (*more) return damaged("there is something behind its end");
  return std::nullopt;
}

Result<std::unique_ptr<RecordWriter>> RecordWriter::create(disk::Disk& disk, const disk::DirPtr& directory,
                                                           const std::string& name, std::size_t buffer_bytes) {
  if (auto removed = unlink_if_there(disk, directory, name); !removed) {
    return std::unexpected(std::move(removed.error()));
  }
  auto file = disk.open_file(directory, name, disk::Open::create, false);
  if (!file) return std::unexpected(std::move(file.error()));
  auto writer = std::unique_ptr<RecordWriter>(new RecordWriter(disk, std::move(*file), buffer_bytes));
  encode_manifest_header(writer->buffer_);
  return writer;
}

Result<> RecordWriter::add(const ManifestRecord& record) {
  encode_manifest_record(record, buffer_);
  ++records_;
  return buffer_.size() >= flush_at_ ? flush() : Result<>{};
}

Result<> RecordWriter::finish(bool sync) {
  encode_manifest_end(records_, buffer_);
  if (auto flushed = flush(); !flushed) return flushed;
  return sync ? disk::sync_now(disk_, *file_, true) : Result<>{};
}

Result<> RecordWriter::flush() {
  if (auto written = disk::write_now(disk_, *file_, offset_, buffer_); !written) return written;
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

}  // namespace longhaul::journal
