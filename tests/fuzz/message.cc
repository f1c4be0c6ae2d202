#include "protocol/message.h"

#include "fuzz.h"
#include "protocol/entry.h"
#include "protocol/frame.h"
#include "protocol/path_terms.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  protocol::Message message;
  if (!protocol::decode_opened_message(fuzz::input(data, bytes), message)) return 0;
  if (message.has_hello()) (void)protocol::path_of(message.hello());
  for (const auto& entry : message.announce().entries()) (void)protocol::to_wire(protocol::from_wire(entry));
  if (message.ByteSizeLong() <= protocol::message_bytes_max) (void)protocol::encode_message(message);
  return 0;
}
