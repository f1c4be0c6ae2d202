// A bundle carries small files: one chunk of one or more frames, each frame a table and the contents of whole files.
//
//   payload: u32 count | u32 reserved | count x { u64 file, u32 bytes, u32 state, 16 digest } | contents, back to back
//
// The frame header's one digest is XXH3-128 of the table (count, reserved and rows). state: 0 whole, 1 the sender could
// not read it whole (bytes 0, digest zero; the words come in FileEnd).
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "longhaul/status.h"

namespace longhaul::chunk {

constexpr std::size_t bundle_head_bytes = 8;
constexpr std::size_t bundle_row_bytes = 32;

struct BundleRow {
  std::uint64_t file = 0;  ///< entry number
  std::uint32_t bytes = 0;
  bool whole = true;
  Digest digest;  ///< file_digest of the content
  bool operator==(const BundleRow&) const = default;
};

[[nodiscard]] constexpr std::size_t bundle_table_bytes(std::size_t rows) {
  return bundle_head_bytes + rows * bundle_row_bytes;
}

/// Writes head and rows to `out` (exactly bundle_table_bytes) and returns the table's digest.
Digest encode_bundle_table(std::span<const BundleRow> rows, Bytes out);

/// A parsed and checked bundle payload; contents point into the payload.
struct Bundle {
  std::vector<BundleRow> rows;
  std::vector<ConstBytes> contents;  ///< one per row
};
/// Checks the table's digest against `table_digest`, all bounds, and that contents fill the payload exactly.
/// Does not check the files' digests. Errors: Code::corrupt (digest), Code::protocol (bounds).
[[nodiscard]] Result<Bundle> decode_bundle(ConstBytes payload, const Digest& table_digest);

}  // namespace longhaul::chunk
