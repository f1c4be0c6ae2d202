// The first byte says how: in clear or sealed, and in pieces of which size. The rest is what the peer says.
#include "wire/channel.h"

#include <memory>

#include "fuzz.h"
#include "unit/wire/fakes.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  if (bytes == 0) return 0;
  const unsigned how = data[0];
  const ConstBytes said = fuzz::input(data, bytes).subspan(1);
  wire::Pipe in{{said.begin(), said.end()}, true};
  wire::Pipe out;
  auto connection = std::make_unique<wire::FakeConnection>(in, out, how, 1 + (how >> 1U) * 40, 0);
  SlotPool pool({.count = 2, .hot = 1, .touch = false});
  auto channel = how % 2 == 0 ? std::make_unique<wire::Channel>(std::move(connection))
                              : std::make_unique<wire::Channel>(
                                    std::move(connection), std::vector<std::byte>{},
                                    security::make_seals(Cipher::aes_256_gcm, security::Secret{}, false));
  channel->set_message_limit(1U << 16U);
  for (;;) {
    const wire::Incoming got = channel->receive(&pool);
    if (got.kind == wire::Incoming::Kind::closed || got.kind == wire::Incoming::Kind::failed) return 0;
  }
}
