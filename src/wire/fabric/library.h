// libfabric itself, loaded when it is first asked for. Only for files of this folder that are built with its headers.
#pragma once

#include <rdma/fabric.h>

#include <cstdint>
#include <memory>
#include <string>

#include "longhaul/status.h"

namespace longhaul::wire::fabric {

/// Its functions, as far as they are not reached through its objects. Tests bring their own.
struct Library {
  int (*getinfo)(std::uint32_t, const char*, const char*, std::uint64_t, const fi_info*, fi_info**) = nullptr;
  void (*freeinfo)(fi_info*) = nullptr;
  fi_info* (*dupinfo)(const fi_info*) = nullptr;
  int (*fabric)(fi_fabric_attr*, fid_fabric**, void*) = nullptr;
  std::uint32_t (*version)() = nullptr;
  const char* (*strerror)(int) = nullptr;
  /// Not libfabric's own: whether this machine has a numeric address. Its providers in software take any.
  bool (*is_own_address)(const std::string&) = nullptr;
};

/// What it is asked for everywhere; an older library is refused.
inline constexpr std::uint32_t api_version = FI_VERSION(1, 17);

/// Maps libfabric, for good, and looks at no provider; null: dlerror() says why. What is mapped is found again where it
/// can no longer be read. Sets FI_* in the environment, as load_library.
void* map_library();

/// The machine's libfabric, which stays loaded. Any thread. The first call sets FI_* in the environment, so that no
/// other thread may be there that sets its own. Errors (unsupported): there is none, or an older one.
[[nodiscard]] Result<const Library*> load_library();

struct InfoFree {
  void (*free)(fi_info*) = nullptr;
  void operator()(fi_info* it) const { free(it); }
};
/// A list of what fits, the best first, or hints.
using Info = std::unique_ptr<fi_info, InfoFree>;

}  // namespace longhaul::wire::fabric
