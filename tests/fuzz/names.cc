// A list of names and a filter rule, as --files-from and --exclude-from read them, each against the other.
#include <cstdlib>

#include "disk/filter.h"
#include "disk/name_parser.h"
#include "fuzz.h"

using namespace longhaul;

namespace {

constexpr std::size_t rule_bytes_max = 64;  // wildcards take their time by the product of both lengths

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string_view text = text_of(fuzz::input(data, bytes));
  const std::string rule(text.substr(0, std::min(text.find('\n'), rule_bytes_max)));
  const auto side = bytes % 2 == 0 ? disk::Side::sender : disk::Side::receiver;
  const auto filter = disk::Filter::make({rule}, side);
  if (filter && disk::Filter::without_left_out({rule}).size() > 1) std::abort();
  for (const bool nul_ended : {false, true}) {
    disk::NameParser parser(nul_ended, nul_ended, "the list", [&](const disk::ListedName& name) -> Result<> {
      if (filter && !name.path.empty() && name.path.size() <= rule_bytes_max)
        (void)filter->takes(name.path, name.content);
      return {};
    });
    const std::size_t half = text.size() / 2;
    Result<> fed = parser.feed(text.substr(0, half));
    if (fed) fed = parser.feed(text.substr(half));
    if (fed) (void)parser.finish();
  }
  return 0;
}
