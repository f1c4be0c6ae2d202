// Stands in for offers.cc in builds without libfabric.
#include "wire/fabric/offers.h"

namespace longhaul::wire::fabric {

FabricReport probe(const FabricWish& /*wish*/) {
  return {.usable = false,
          .library =
              "this program was built without libfabric: where libfabric-dev is installed, "
              "'meson setup -Dfabric=enabled' builds it in",
          .offers = {}};
}

}  // namespace longhaul::wire::fabric
