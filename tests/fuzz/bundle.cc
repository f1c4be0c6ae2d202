#include "chunk/bundle.h"

#include <algorithm>

#include "fuzz.h"

using namespace longhaul;

/// The digest is right, as an attacker's would be: of as many rows as the head says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const ConstBytes payload = fuzz::input(data, bytes);
  const std::size_t rows = payload.size() < 4 ? 0 : load<std::uint32_t>(payload.data());
  const std::size_t table = std::min(payload.size(), chunk::bundle_table_bytes(std::min<std::size_t>(rows, 1U << 20U)));
  const auto bundle = chunk::decode_bundle(payload, digest_of(payload.first(table)));
  if (!bundle) return 0;
  LH_CHECK(bundle->rows.size() == bundle->contents.size(), "one content for each row");
  for (const ConstBytes content : bundle->contents)
    LH_CHECK(content.empty() || (content.data() >= payload.data() &&
                                 content.data() + content.size() <= payload.data() + payload.size()),
             "contents lie in the payload");
  return 0;
}
