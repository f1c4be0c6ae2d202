#include "chunk/packing.h"

#include <algorithm>
#include <vector>

#include "fuzz.h"
#include "protocol/bounds.h"

using namespace longhaul;

/// The first four bytes are the size that a frame's header would say; the rest is what it brought.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  if (bytes < 4) return 0;
  const ConstBytes in = fuzz::input(data, bytes);
  const std::size_t raw_bytes = load<std::uint32_t>(in.data()) % protocol::frame_bytes_max + 1;
  static chunk::Unpacker unpacker;
  static chunk::Packer packer(1);
  std::vector<std::byte> raw(raw_bytes);
  if (!unpacker.unpack(in.subspan(4), raw)) return 0;
  std::vector<std::byte> packed(raw_bytes + raw_bytes / 128 + 1024);
  const std::size_t packed_bytes = packer.pack(raw, packed);
  LH_CHECK(packed_bytes > 0, "zstd adds little to what does not shrink");
  std::vector<std::byte> again(raw_bytes);
  LH_CHECK(unpacker.unpack(ConstBytes(packed).first(packed_bytes), again) && again == raw, "what is packed unpacks");
  return 0;
}
