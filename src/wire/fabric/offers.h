// What fabrics there are, for people. Builds without libfabric have it too, and say so.
#pragma once

#include "longhaul/fabric.h"

namespace longhaul::wire::fabric {

/// See probe_fabrics (longhaul/fabric.h).
[[nodiscard]] FabricReport probe(const FabricWish& wish);

/// See map_fabrics.
void map();

}  // namespace longhaul::wire::fabric
