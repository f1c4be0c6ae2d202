#include "protocol/frame.h"

#include <algorithm>
#include <array>

#include "fuzz.h"

using namespace longhaul;

/// What is read is what would be written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  std::array<std::byte, protocol::frame_header_bytes> header{};
  const ConstBytes in = fuzz::input(data, bytes);
  std::copy_n(in.begin(), std::min(in.size(), header.size()), header.begin());
  (void)protocol::decode_prefix(std::span(header).first<protocol::prefix_bytes>(), protocol::message_bytes_max);
  (void)protocol::decode_frame_header(header);
  const auto read = protocol::decode_opened_header(header);  // as if its check were right
  if (!read) return 0;
  std::array<std::byte, protocol::frame_header_bytes> again{};
  protocol::encode_frame_header(*read, again);
  const auto same = protocol::decode_frame_header(again);
  LH_CHECK(same && *same == *read, "a header that is accepted can be written and read again");
  return 0;
}
