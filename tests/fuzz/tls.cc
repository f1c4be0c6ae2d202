#include <memory>

#include "fuzz.h"
#include "unit/wire/fakes.h"
#include "wire/secure.h"

using namespace longhaul;

namespace {

class Zeros final : public Random {
 public:
  void fill(std::span<std::byte> out) override { std::fill(out.begin(), out.end(), std::byte{7}); }
};

wire::Guard& guard() {
  static Zeros zeros;
  static const auto identity = security::Identity::make(zeros);
  static const auto made = wire::make_tls_guard(identity);
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const ConstBytes said = fuzz::input(data, bytes);
  wire::Pipe in{{said.begin(), said.end()}, true};
  wire::Pipe out;
  const auto listener = guard().accepted(std::make_unique<wire::FakeConnection>(in, out, 1, 300, 0),
                                         [](std::string_view) { return std::optional(security::Secret{}); });
  std::array<std::byte, 64> content{};
  wire::Transfer got;
  do {
    got = listener->read_some(content);
    LH_CHECK(got.state != wire::Transfer::State::moved, "somebody who has proven nothing was heard");
  } while (got.state == wire::Transfer::State::blocked && !in.bytes.empty());
  return 0;
}
