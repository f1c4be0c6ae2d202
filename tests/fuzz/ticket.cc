#include "security/ticket.h"

#include "fuzz.h"
#include "security/identity.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string_view text = text_of(fuzz::input(data, bytes));
  if (const auto ticket = security::parse_ticket(text)) {
    const auto again = security::parse_ticket(security::format_ticket(*ticket));
    LH_CHECK(again && again->secret == ticket->secret && again->listener == ticket->listener &&
                 again->addresses == ticket->addresses,
             "a ticket that is accepted can be written and read again");
  }
  if (const auto fingerprint = security::parse_fingerprint(text))
    LH_CHECK(security::format_fingerprint(*fingerprint) == text, "there is one way to write a fingerprint");
  return 0;
}
