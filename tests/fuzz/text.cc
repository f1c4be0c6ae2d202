// Words that people write, or that a script makes of what others have written.
#include "cli/paths_file.h"
#include "fuzz.h"
#include "longhaul/options.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string_view text = text_of(fuzz::input(data, bytes));
  (void)cli::parse_paths_file(text, "paths.toml");
  (void)check_schedule(text);
  (void)check_discover(text);
  (void)check_tag(text);
  return 0;
}
