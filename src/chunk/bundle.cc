#include "chunk/bundle.h"

#include <fmt/format.h>

#include "base/check.h"
#include "protocol/bounds.h"

namespace longhaul::chunk {
namespace {

// Where the fields lie; the picture is in bundle.h.
constexpr std::size_t at_count = 0;
constexpr std::size_t at_reserved = 4;
constexpr std::size_t at_file = 0;
constexpr std::size_t at_bytes = 8;
constexpr std::size_t at_state = 12;
constexpr std::size_t at_digest = 16;
static_assert(at_digest + sizeof(Digest) == bundle_row_bytes);

constexpr std::uint32_t state_whole = 0;
constexpr std::uint32_t state_failed = 1;

/// What no bundle may have in a row, in words; empty when the row is sound.
std::string_view fault_of(const BundleRow& row, std::uint32_t state) {
  if (state != state_whole && state != state_failed) return "a state that is not known";
  if (row.file == protocol::bundle_file) return "a file number that no file has";
  if (row.bytes > protocol::bundled_bytes_max) return "a file too large for a bundle";
  if (!row.whole && (row.bytes != 0 || row.digest != Digest{})) return "content of a file that could not be read";
  return {};
}

BundleRow load_row(const std::byte* at) {
  return {.file = load<std::uint64_t>(at + at_file),
          .bytes = load<std::uint32_t>(at + at_bytes),
          .whole = load<std::uint32_t>(at + at_state) == state_whole,
          .digest = load<Digest>(at + at_digest)};
}

}  // namespace

Digest encode_bundle_table(std::span<const BundleRow> rows, Bytes out) {
  LH_CHECK(out.size() == bundle_table_bytes(rows.size()), "a bundle's table needs exactly its room");
  store(out.data() + at_count, static_cast<std::uint32_t>(rows.size()));
  store(out.data() + at_reserved, std::uint32_t{0});
  std::byte* at = out.data() + bundle_head_bytes;
  for (const BundleRow& row : rows) {
    store(at + at_file, row.file);
    store(at + at_bytes, row.bytes);
    store(at + at_state, row.whole ? state_whole : state_failed);
    store(at + at_digest, row.digest);
    at += bundle_row_bytes;
  }
  return digest_of(out);
}

Result<Bundle> decode_bundle(ConstBytes payload, const Digest& table_digest) {
  if (payload.size() < bundle_head_bytes) return fail(Code::protocol, "the peer sent a bundle without a table");
  const std::size_t count = load<std::uint32_t>(payload.data() + at_count);
  // Compared by division: a count from outside must not overflow anything.
  if (count == 0 || count > (payload.size() - bundle_head_bytes) / bundle_row_bytes) {
    return fail(Code::protocol,
                fmt::format("the peer sent a bundle of {} bytes that says it has {} files", payload.size(), count));
  }
  const ConstBytes table = payload.first(bundle_table_bytes(count));
  if (digest_of(table) != table_digest) {
    return fail(Code::corrupt, "a bundle's table was damaged on its way: its digest does not match");
  }
  if (load<std::uint32_t>(payload.data() + at_reserved) != 0) {
    return fail(Code::protocol, "the peer sent a bundle with reserved bytes that are not zero");
  }
  Bundle bundle;
  bundle.rows.reserve(count);
  bundle.contents.reserve(count);
  ConstBytes rest = payload.subspan(table.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* at = table.data() + bundle_head_bytes + i * bundle_row_bytes;
    const BundleRow row = load_row(at);
    std::string_view fault = fault_of(row, load<std::uint32_t>(at + at_state));
    if (fault.empty() && row.bytes > rest.size()) fault = "a file that reaches past its end";
    if (!fault.empty()) return fail(Code::protocol, fmt::format("the peer sent a bundle with {} (row {})", fault, i));
    bundle.rows.push_back(row);
    bundle.contents.push_back(rest.first(row.bytes));
    rest = rest.subspan(row.bytes);
  }
  if (!rest.empty()) {
    return fail(Code::protocol, fmt::format("the peer sent a bundle with {} bytes that no file owns", rest.size()));
  }
  return bundle;
}

}  // namespace longhaul::chunk
