// Stands in for libfabric in builds without it.
#include "wire/fabric/offers.h"
#include "wire/fabric/provider.h"

namespace longhaul::wire::fabric {
namespace {

constexpr const char* none =
    "this program was built without libfabric: where libfabric-dev is installed, 'meson setup -Dfabric=enabled' builds "
    "it in";

class NoFabric final : public Fabric {
 public:
  Result<std::unique_ptr<Endpoint>> open(const FabricWish& wish) override {
    return fail(Code::unsupported, "no fabric '" + printable(wish.provider) + "': " + none);
  }
};

}  // namespace

FabricReport probe(const FabricWish& /*wish*/) {
  return {.usable = false, .library = none, .offers = {}};
}

void map() {}

Fabric& system_fabric() {
  static NoFabric it;
  return it;
}

}  // namespace longhaul::wire::fabric
