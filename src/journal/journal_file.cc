#include "journal/journal_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "protocol/bounds.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view magic = "LHJRNL1\n";
constexpr std::uint32_t version = 1;
constexpr std::size_t fixed_bytes = 80;  // everything before the path
constexpr std::size_t check_bytes = 8;
constexpr std::uint64_t records_per_read = 2730;  // just under 64 KiB
constexpr int lock_attempts_max = 100;
constexpr std::size_t names_per_batch = 256;

constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + journal_header_bytes - 1) / journal_header_bytes * journal_header_bytes;
}

std::uint64_t record_check(const std::byte* digest, std::uint64_t node, std::uint64_t nonce) {
  std::array<std::byte, 32> text;
  std::memcpy(text.data(), digest, sizeof(Digest));
  store(text.data() + 16, node);
  store(text.data() + 24, nonce);
  return check_of(text);
}

/// The fields of a header that has passed its check.
JournalHeader decode_header(const std::byte* at, std::uint32_t header_bytes, std::uint32_t path_bytes) {
  JournalHeader header;
  header.header_bytes = header_bytes;
  header.nonce = load<std::uint64_t>(at + 16);
  header.chunk_bytes = load<std::uint64_t>(at + 24);
  header.size = load<std::uint64_t>(at + 32);
  header.mtime_ns = load<std::int64_t>(at + 40);
  header.identity.ctime_ns = load<std::int64_t>(at + 48);
  header.identity.inode = load<std::uint64_t>(at + 56);
  header.identity.device = load<std::uint64_t>(at + 64);
  header.mode = load<std::uint32_t>(at + 72);
  header.path = text_of({at + fixed_bytes, path_bytes});
  return header;
}

}  // namespace

std::array<std::byte, record_bytes> encode_record(const LandingFile& file, std::uint64_t node, const Digest& digest) {
  std::array<std::byte, record_bytes> record;
  std::memcpy(record.data(), digest.bytes.data(), sizeof digest);
  store(record.data() + sizeof digest, record_check(digest.bytes.data(), node, file.nonce));
  return record;
}

std::uint64_t record_offset(const LandingFile& file, std::uint64_t node) {
  return file.header_bytes + node * record_bytes;
}

std::vector<std::byte> encode_journal_header(const JournalHeader& header) {
  const std::size_t used = fixed_bytes + header.path.size();
  std::vector<std::byte> out(padded(used + check_bytes));
  std::byte* at = out.data();
  std::memcpy(at, magic.data(), magic.size());
  store(at + 8, version);
  store(at + 12, static_cast<std::uint32_t>(out.size()));
  store(at + 16, header.nonce);
  store(at + 24, header.chunk_bytes);
  store(at + 32, header.size);
  store(at + 40, header.mtime_ns);
  store(at + 48, header.identity.ctime_ns);
  store(at + 56, header.identity.inode);
  store(at + 64, header.identity.device);
  store(at + 72, header.mode);
  store(at + 76, static_cast<std::uint32_t>(header.path.size()));
  std::memcpy(at + fixed_bytes, header.path.data(), header.path.size());
  store(at + used, check_of({at, used}));
  return out;
}

Result<std::optional<JournalHeader>> read_journal_header(disk::Disk& disk, disk::OpenFile& file) {
  std::vector<std::byte> text(journal_header_bytes);
  auto got = disk::read_now(disk, file, 0, text);
  if (!got) return std::unexpected(std::move(got.error()));
  if (*got < text.size() || std::memcmp(text.data(), magic.data(), magic.size()) != 0) return std::nullopt;
  if (load<std::uint32_t>(text.data() + 8) != version) return std::nullopt;
  const auto header_bytes = load<std::uint32_t>(text.data() + 12);
  const auto path_bytes = load<std::uint32_t>(text.data() + 76);
  const std::size_t used = fixed_bytes + path_bytes;
  if (path_bytes > protocol::path_bytes_max || header_bytes != padded(used + check_bytes)) return std::nullopt;
  if (header_bytes > text.size()) {
    text.resize(header_bytes);
    got = disk::read_now(disk, file, 0, text);
    if (!got) return std::unexpected(std::move(got.error()));
    if (*got < text.size()) return std::nullopt;
  }
  if (load<std::uint64_t>(text.data() + used) != check_of({text.data(), used})) return std::nullopt;
  return decode_header(text.data(), header_bytes, path_bytes);
}

Result<> read_records(disk::Disk& disk, const LandingFile& file, std::uint64_t nodes,
                      const std::function<bool(std::uint64_t node, const Digest* digest)>& visit) {
  std::vector<std::byte> buffer(std::min(nodes, records_per_read) * record_bytes);
  for (std::uint64_t first = 0; first < nodes; first += records_per_read) {
    const std::uint64_t count = std::min(records_per_read, nodes - first);
    const std::size_t wanted = count * record_bytes;
    auto got = disk::read_now(disk, *file.journal, record_offset(file, first), Bytes(buffer).first(wanted));
    if (!got) return std::unexpected(std::move(got.error()));
    std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(*got), buffer.end(), std::byte{0});
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::byte* record = buffer.data() + i * record_bytes;
      Digest digest;
      std::memcpy(digest.bytes.data(), record, sizeof digest);
      const bool valid = load<std::uint64_t>(record + sizeof digest) == record_check(record, first + i, file.nonce);
      if (!visit(first + i, valid ? &digest : nullptr)) return {};
    }
  }
  return {};
}

Result<bool> still_named(disk::Disk& disk, disk::OpenFile& file, const disk::DirPtr& directory, std::string_view name) {
  auto held = disk.stat(file);
  if (!held) return std::unexpected(std::move(held.error()));
  auto named = disk.stat(directory, name);
  if (!named && named.error().code == Code::not_found) return false;
  if (!named) return std::unexpected(std::move(named.error()));
  return held->inode == named->inode && held->device == named->device;
}

Result<disk::FilePtr> lock_journal(disk::Disk& disk, const disk::DirPtr& landing, const std::string& name,
                                   std::string_view path) {
  for (int attempt = 0; attempt < lock_attempts_max; ++attempt) {
    auto file = disk.open_file(landing, name, disk::Open::create_or_open, false);
    if (!file) return std::unexpected(std::move(file.error()));
    auto locked = disk.try_lock(**file);
    if (!locked) return std::unexpected(std::move(locked.error()));
    if (!*locked) return fail_held(path);
    auto same = still_named(disk, **file, landing, name);
    if (!same) return std::unexpected(std::move(same.error()));
    if (*same) return std::move(*file);
  }
  return fail_held(path);
}

std::unexpected<Error> fail_held(std::string_view path) {
  return fail(Code::busy,
              fmt::format("cannot land {}: another receiver is landing this file now; let it end, or stop it",
                          printable(path)));
}

Result<> unlink_if_there(disk::Disk& disk, const disk::DirPtr& directory, std::string_view name) {
  auto removed = disk.unlink(directory, name);
  if (!removed && removed.error().code != Code::not_found) return removed;
  return {};
}

Result<> each_name(disk::Disk& disk, const disk::DirPtr& directory,
                   const std::function<bool(const std::string& name)>& visit) {
  auto stream = disk.open_stream(directory, 0);
  if (!stream) return std::unexpected(std::move(stream.error()));
  std::vector<disk::DirEntry> entries;
  for (;;) {
    entries.clear();
    auto more = (*stream)->next(entries, names_per_batch);
    if (!more) return std::unexpected(std::move(more.error()));
    if (!*more) return {};
    for (const auto& entry : entries) {
      if (!visit(entry.name)) return {};
    }
  }
}

}  // namespace longhaul::journal
