// HASH.journal as bytes: header, records, and the lock that says who lands a file. Layout: landing.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "disk/disk.h"
#include "journal/landing.h"
#include "longhaul/entry.h"
#include "longhaul/status.h"

namespace longhaul::journal {

constexpr std::uint32_t journal_header_bytes = 4096;

struct JournalHeader {
  std::uint64_t nonce = 0;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  Identity identity;
  std::uint32_t mode = 0;
  std::string path;
  std::uint32_t header_bytes = 0;  ///< in the file, padding included
};

/// Padded with zeros to a multiple of journal_header_bytes.
[[nodiscard]] std::vector<std::byte> encode_journal_header(const JournalHeader& header);
/// Nothing when there is no whole header (new file, or a crash before the header was synced): such a journal says
/// nothing.
Result<std::optional<JournalHeader>> read_journal_header(disk::Disk& disk, disk::OpenFile& file);

/// Reads the first `nodes` records in order. `visit` gets the digest, or null where there is no valid record, and
/// returns false to stop.
Result<> read_records(disk::Disk& disk, const LandingFile& file, std::uint64_t nodes,
                      const std::function<bool(std::uint64_t node, const Digest* digest)>& visit);

/// Whether `name` in `directory` still is `file`. Between our open and our lock somebody may have published or removed
/// it: what we then hold is a published file, or one that nobody will ever see.
Result<bool> still_named(disk::Disk& disk, disk::OpenFile& file, const disk::DirPtr& directory, std::string_view name);

/// Opens or creates `name` and locks it: the holder of a journal owns HASH.part too. Errors: Code::busy, which says
/// `path`.
Result<disk::FilePtr> lock_journal(disk::Disk& disk, const disk::DirPtr& landing, const std::string& name,
                                   std::string_view path);

/// The error of somebody else holding `path`.
[[nodiscard]] std::unexpected<Error> fail_held(std::string_view path);
/// Removes `name`; that it is not there is success.
Result<> unlink_if_there(disk::Disk& disk, const disk::DirPtr& directory, std::string_view name);
/// Every name in `directory`, a bounded number in memory. `visit` returns false to stop; it may remove what it is
/// given.
Result<> each_name(disk::Disk& disk, const disk::DirPtr& directory,
                   const std::function<bool(const std::string& name)>& visit);

}  // namespace longhaul::journal
