#include "longhaul/fabric.h"
#include "wire/fabric/offers.h"

namespace longhaul {

FabricReport probe_fabrics(const FabricWish& wish) {
  return wire::fabric::probe(wish);
}

void map_fabrics() {
  wire::fabric::map();
}

}  // namespace longhaul
