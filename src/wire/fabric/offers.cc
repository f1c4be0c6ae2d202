#include "wire/fabric/offers.h"

#include "wire/fabric/library.h"
#include "wire/fabric/lookup.h"

namespace longhaul::wire::fabric {

FabricReport probe(const FabricWish& wish) {
  const auto library = load_library();
  if (!library) return {.usable = false, .library = library.error().text, .offers = {}};
  return probe_with(**library, wish);
}

void map() {
  (void)map_library();  // who uses it hears what is wrong
}

}  // namespace longhaul::wire::fabric
