// Which fabrics (RDMA, and what stands in for it in software) this machine and this build have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

/// What memory must be like before a fabric uses it (libfabric's mr_mode).
struct FabricMemory {
  bool local = false;              ///< what is written from must be registered as well
  bool virtual_addresses = false;  ///< a peer names places by this side's addresses, else by offsets
  bool allocated = false;          ///< pages must be there when memory is registered
  bool provider_keys = false;      ///< the provider chooses keys, else the caller does
  bool endpoint = false;           ///< memory is bound to an endpoint that is enabled, and then enabled itself
  friend bool operator==(const FabricMemory&, const FabricMemory&) = default;
};

/// One device or address by which a provider can be used.
struct FabricPlace {
  std::string provider;  ///< as libfabric calls it: "tcp;ofi_rxm"
  std::string device;    ///< "eth0", "mlx5_0"; empty: it does not say
  std::string address;   ///< numeric, without a port; empty: it has addresses of its own kind
  FabricMemory memory;
  unsigned remote_data_bytes = 0;  ///< so much can a write carry into the target's queue
  bool manual_progress = false;    ///< nothing moves unless queues are read
  std::uint64_t write_bytes_max = 0;
  unsigned depth = 0;  ///< so many writes may be out at once
};

/// What one provider can do here.
struct FabricOffer {
  std::string name;                 ///< "tcp", "verbs"
  std::vector<FabricPlace> places;  ///< the best first; empty: it cannot be used
  std::string why;                  ///< if so: what is missing, and what would help
};

struct FabricReport {
  bool usable = false;              ///< there is a libfabric
  std::string library;              ///< "libfabric 1.17"; else why there is none, and what would help
  std::vector<FabricOffer> offers;  ///< of all providers that are worth a look (empty without a libfabric)
};

/// What is asked for.
struct FabricWish {
  std::string provider;  ///< empty: any that is worth a look
  std::string where;     ///< a numeric address of this machine, or a device; empty: anywhere
};

/// Looks, and opens nothing. Takes a fraction of a second: libfabric looks at all devices when it is first asked.
/// Not while another thread changes the environment, which libfabric reads. Never fails: what is not there is told.
FabricReport probe_fabrics(const FabricWish& wish = {});

/// Maps libfabric and looks at nothing: it can then be used also where it may no longer be looked for. Not while
/// another thread changes the environment.
void map_fabrics();

}  // namespace longhaul
