#include "journal/manifest_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "protocol/bounds.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view magic = "LHMANIF1";
constexpr std::byte type_file{1};
constexpr std::byte type_end{2};
constexpr std::byte type_tree{3};
constexpr std::byte type_gone{4};
constexpr std::byte type_file_sha256{5};
constexpr std::byte type_seal{6};
constexpr std::size_t body_at = 44;  // the path, or what a type has before it
constexpr std::size_t check_bytes = 8;
constexpr std::size_t sha256_bytes = sizeof(security::Sha256);
constexpr std::size_t signature_bytes = sizeof(security::Signature::key) + sizeof(security::Signature::signature);
constexpr std::size_t buffer_bytes_min = 256;

/// `body`: what the type has between root and path.
void encode(std::byte type, const ManifestRecord& record, ConstBytes body, std::vector<std::byte>& out) {
  const std::size_t begin = out.size();
  const std::size_t bytes = manifest_fixed_bytes + body.size() + record.path.size();
  out.resize(begin + bytes);
  std::byte* at = out.data() + begin;
  store(at, static_cast<std::uint32_t>(bytes));
  at[4] = type;
  store(at + 8, static_cast<std::uint32_t>(record.path.size()));
  store(at + 12, record.size);
  store(at + 20, record.mtime_ns);
  std::memcpy(at + 28, record.root.bytes.data(), sizeof(Digest));
  if (!body.empty()) std::memcpy(at + body_at, body.data(), body.size());
  std::memcpy(at + body_at + body.size(), record.path.data(), record.path.size());
  store(at + bytes - check_bytes, check_of({at, bytes - check_bytes}));
}

/// How many bytes the record that begins here says it has; 0 when that cannot be. No more than that are ever waited
/// for: a path has protocol::path_bytes_max at most.
std::size_t record_size(const std::byte* at) {
  const std::size_t bytes = load<std::uint32_t>(at);
  const std::size_t path_bytes = load<std::uint32_t>(at + 8);
  if (path_bytes > protocol::path_bytes_max || bytes < manifest_fixed_bytes + path_bytes) return 0;
  const std::size_t body = bytes - manifest_fixed_bytes - path_bytes;
  if (at[4] == type_file_sha256) return body == sha256_bytes ? bytes : 0;
  if (at[4] != type_seal) return body == 0 ? bytes : 0;
  const bool fits = body == 0 || body == sha256_bytes || body == sha256_bytes + signature_bytes;
  return path_bytes == 0 && fits ? bytes : 0;
}

ManifestRecord decode(const std::byte* at, std::size_t bytes) {
  ManifestRecord record;
  record.size = load<std::uint64_t>(at + 12);
  record.mtime_ns = load<std::int64_t>(at + 20);
  std::memcpy(record.root.bytes.data(), at + 28, sizeof(Digest));
  if (at[4] == type_file_sha256) record.sha256 = load<security::Sha256>(at + body_at);
  const std::size_t path_bytes = load<std::uint32_t>(at + 8);
  record.path = text_of({at + bytes - check_bytes - path_bytes, path_bytes});
  record.is_tree = at[4] == type_tree;
  record.gone = at[4] == type_gone;
  return record;
}

ManifestSeal decode_seal(const std::byte* at, std::size_t bytes) {
  ManifestSeal seal{.files = load<std::uint64_t>(at + 12), .root = {}, .sha256_root = {}, .signature = {}};
  std::memcpy(seal.root.bytes.data(), at + 28, sizeof(Digest));
  const std::size_t body = bytes - manifest_fixed_bytes;
  if (body >= sha256_bytes) seal.sha256_root = load<security::Sha256>(at + body_at);
  if (body <= sha256_bytes) return seal;
  security::Signature& signature = seal.signature.emplace();
  std::memcpy(signature.key.data(), at + body_at + sha256_bytes, sizeof signature.key);
  std::memcpy(signature.signature.data(), at + body_at + sha256_bytes + sizeof signature.key,
              sizeof signature.signature);
  return seal;
}

/// Whether a path leads to something beneath its root, by its words: whoever wrote the manifest, nothing else is looked
/// at.
bool leads_beneath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

void encode_manifest_record(const ManifestRecord& record, std::vector<std::byte>& out) {
  if (record.sha256) return encode(type_file_sha256, record, *record.sha256, out);
  encode(record.is_tree ? type_tree : record.gone ? type_gone : type_file, record, {}, out);
}

void encode_gone(std::string path, std::vector<std::byte>& out) {
  ManifestRecord record;
  record.path = std::move(path);
  record.gone = true;
  encode_manifest_record(record, out);
}

void encode_manifest_seal(const ManifestSeal& seal, std::vector<std::byte>& out) {
  std::vector<std::byte> body;
  const auto put = [&](ConstBytes bytes) { body.insert(body.end(), bytes.begin(), bytes.end()); };
  if (seal.sha256_root) put(*seal.sha256_root);
  if (seal.sha256_root && seal.signature) {
    put(seal.signature->key);
    put(seal.signature->signature);
  }
  encode(type_seal, {.path = {}, .size = seal.files, .mtime_ns = 0, .root = seal.root}, body, out);
}

void encode_manifest_end(std::uint64_t records, std::vector<std::byte>& out) {
  ManifestRecord end;
  end.size = records;
  encode(type_end, end, {}, out);
}

void encode_manifest_header(std::vector<std::byte>& out, std::uint32_t order, std::uint32_t version) {
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
                                                          ManifestKind kind, std::size_t buffer_bytes,
                                                          const char* advice) {
  auto reader = std::unique_ptr<RecordReader>(
      new RecordReader(disk, std::move(file), std::move(name), kind, std::max(buffer_bytes, buffer_bytes_min)));
  reader->advice_ = advice;
  if (auto header = reader->read_header(); !header) return std::unexpected(std::move(header.error()));
  return reader;
}

std::unique_ptr<RecordReader> RecordReader::begin_run(disk::Disk& disk, disk::FilePtr file, std::uint64_t begin_offset,
                                                      std::uint64_t end_offset, std::size_t buffer_bytes) {
  auto reader = std::unique_ptr<RecordReader>(new RecordReader(
      disk, std::move(file), "(sorted for a while)", ManifestKind::run, std::max(buffer_bytes, buffer_bytes_min)));
  reader->advice_ = "run again";
  reader->begin_offset_ = begin_offset;
  reader->limit_ = end_offset;
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
  version_ = load<std::uint32_t>(buffer_.data() + 8);
  const bool known =
      version_ == manifest_of_transfers || (version_ == manifest_of_scans && kind_ == ManifestKind::sorted);
  if (!known) {
    return fail(Code::unsupported,
                fmt::format("manifest {} has a format that this version of Longhaul does not know; use "
                            "the version that wrote it",
                            printable(name_)));
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
  const std::uint64_t left = limit_ - (begin_offset_ + end_);
  const std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size() - end_, left));
  auto got = disk::read_now(disk_, *file_, begin_offset_ + end_, Bytes(buffer_).subspan(end_, room));
  if (!got) return std::unexpected(std::move(got.error()));
  end_ += *got;
  return end_ >= bytes;
}

std::unexpected<Error> RecordReader::damaged(const char* how) const {
  return fail(Code::corrupt,
              fmt::format("manifest {} is damaged at byte {}: {}; {}", printable(name_), offset(), how, advice_));
}

/// The bytes of the record at begin_, all of which are at hand; 0 where there is none that is whole.
Result<std::size_t> RecordReader::whole_record() {
  auto there = need(manifest_fixed_bytes);
  if (!there) return std::unexpected(std::move(there.error()));
  const std::size_t bytes = *there ? record_size(buffer_.data() + begin_) : 0;
  if (bytes == 0) return std::size_t{0};
  there = need(bytes);
  if (!there) return std::unexpected(std::move(there.error()));
  const std::byte* at = buffer_.data() + begin_;
  const bool whole = *there && load<std::uint64_t>(at + bytes - check_bytes) == check_of({at, bytes - check_bytes});
  return whole ? bytes : 0;
}

/// Whether a file of this kind and version has such records.
bool RecordReader::may_stand_here(const std::byte* record) const {
  const std::byte type = record[4];
  if (load<std::uint32_t>(record + 8) == 0) return false;
  if (type == type_file) return true;
  const bool of_scan = version_ == manifest_of_scans || kind_ == ManifestKind::run;
  if (type == type_file_sha256) return of_scan;
  return (type == type_tree || type == type_gone) && !of_scan;
}

Result<std::optional<ManifestRecord>> RecordReader::next() {
  if (ended_) return std::nullopt;
  if (kind_ == ManifestKind::run && offset() == limit_) {
    ended_ = true;
    return std::nullopt;
  }
  const bool in_order = kind_ != ManifestKind::log;
  const auto bytes = whole_record();
  if (!bytes) return std::unexpected(bytes.error());
  if (*bytes == 0) {
    if (in_order)
      return damaged(end_ == begin_ ? "it ends before its end record" : "a record does not match its check");
    ended_ = true;
    return std::nullopt;
  }
  const std::byte* at = buffer_.data() + begin_;
  if (kind_ == ManifestKind::sorted && version_ == manifest_of_scans && at[4] == type_seal) {
    if (auto fits = check_seal(at, *bytes); !fits) return std::unexpected(std::move(fits.error()));
    return next();  // there is one, so that this goes no deeper
  }
  if (kind_ == ManifestKind::sorted && at[4] == type_end) return check_end(load<std::uint64_t>(at + 12));
  if (!may_stand_here(at)) {
    if (in_order) return damaged("a record of an unknown type");
    ended_ = true;
    return std::nullopt;
  }
  ManifestRecord record = decode(at, *bytes);
  if (in_order) return check_order(std::move(record), *bytes);
  begin_ += *bytes;
  return record;
}

Result<std::optional<ManifestRecord>> RecordReader::check_order(ManifestRecord record, std::size_t bytes) {
  if (sealed_) return damaged("a file stands behind its seal");
  if (records_ > 0 && record.path <= last_path_) return damaged("its paths are not in order");
  const bool is_file = !record.is_tree && !record.gone;
  if (is_file && !leads_beneath(record.path)) return damaged("a path leads out of its tree");
  if (is_file && kind_ == ManifestKind::sorted) roots_.add(record);
  begin_ += bytes;
  ++records_;
  last_path_ = record.path;
  return record;
}

/// What it says of the files is held against them.
Result<> RecordReader::check_seal(const std::byte* record, std::size_t bytes) {
  if (std::exchange(sealed_, true)) return damaged("it has two seals");
  seal_ = decode_seal(record, bytes);
  const bool sha256 = seal_.sha256_root.has_value();
  if (sha256 ? !roots_.all_have_sha256() : !roots_.none_has_sha256())
    return damaged("some of its files have a SHA-256 and others have none");
  ManifestSeal found = roots_.finish(sha256);
  found.signature = seal_.signature;
  if (found.files != seal_.files) return damaged("records are missing");
  if (found.root != seal_.root) return damaged("its files do not come to the root that it names");
  if (found != seal_)
    return damaged("its files do not come to the SHA-256 root that it names: somebody has changed it");
  begin_ += bytes;
  return {};
}

Result<std::optional<ManifestRecord>> RecordReader::check_end(std::uint64_t counted) {
  if (counted != records_) return damaged("records are missing");
  if (version_ == manifest_of_scans && !sealed_) return damaged("its seal is missing");
  if (!sealed_) seal_ = roots_.finish(false);
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

std::unique_ptr<RecordWriter> RecordWriter::of_scan(disk::Disk& disk, disk::FilePtr file, std::size_t buffer_bytes) {
  auto writer = std::unique_ptr<RecordWriter>(new RecordWriter(disk, std::move(file), buffer_bytes));
  writer->version_ = manifest_of_scans;
  encode_manifest_header(writer->buffer_, 0, manifest_of_scans);
  return writer;
}

Result<> RecordWriter::add(const ManifestRecord& record) {
  if (version_ == manifest_of_transfers && record.sha256) {
    ManifestRecord plain = record;
    plain.sha256.reset();
    encode_manifest_record(plain, buffer_);
  } else {
    encode_manifest_record(record, buffer_);
  }
  ++records_;
  return buffer_.size() >= flush_at_ ? flush() : Result<>{};
}

Result<> RecordWriter::seal(const ManifestSeal& seal) {
  LH_CHECK(version_ == manifest_of_scans && seal.files == records_, "a seal is about the files before it");
  encode_manifest_seal(seal, buffer_);
  return {};
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
