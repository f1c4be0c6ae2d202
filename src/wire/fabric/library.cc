#include "wire/fabric/library.h"

#include <dlfcn.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/fd.h"
#include "wire/socket_address.h"

namespace longhaul::wire::fabric {
namespace {

constexpr const char* file = "libfabric.so.1";

/// libfabric reads its environment when it is loaded.
void set_environment() {
  // A peer that writes by process_vm_writev knows no fence (README), and our walls forbid the call.
  (void)setenv("FI_SHM_DISABLE_CMA", "1", 1);
  // verbs keeps a cache of registrations, for which it writes jumps into libc's functions (madvise) while other threads
  // run them. We register once, what is ours to the end, and need none.
  (void)setenv("FI_MR_CACHE_MONITOR", "disabled", 1);
  // rxm asks for a queue that is larger than what soft-RoCE has, where it is not told that there are few peers.
  (void)setenv("FI_UNIVERSE_SIZE", "4", 0);
}

/// Providers catch signals when they are first looked at, whether they are used or not; one of 1.17 then ends the
/// process at the first Ctrl-C, with status 1. Signals are the program's: they go back to what they were.
class KeptSignals {
 public:
  KeptSignals() {
    for (std::size_t number = 1; number < handlers_.size(); ++number)
      kept_[number] = ::sigaction(static_cast<int>(number), nullptr, &handlers_[number]) == 0;
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;
  ~KeptSignals() {
    for (std::size_t number = 1; number < handlers_.size(); ++number)
      if (kept_[number]) (void)::sigaction(static_cast<int>(number), &handlers_[number], nullptr);
  }

 private:
  static constexpr std::size_t signals = 32;  // those that have names
  std::array<struct sigaction, signals> handlers_{};
  std::array<bool, signals> kept_{};
};

/// So that it happens now.
void begin_providers(const Library& library) {
  fi_info* found = nullptr;
  if (library.getinfo(api_version, nullptr, nullptr, FI_PROV_ATTR_ONLY, nullptr, &found) == 0) library.freeinfo(found);
}

template <class Function>
bool find(void* handle, const char* name, const char* version, Function& function) {
  // By version: fi_info grows from one to the next, and whoever fills it must have the one in mind that we were built
  // with. Every libfabric since 1.5 has these versions; fields that came later are not used.
  function = reinterpret_cast<Function>(dlvsym(handle, name, version));
  return function != nullptr;
}

/// 127.0.0.2 is one too, which no interface tells.
bool can_bind(const std::string& address) {
  const auto where = to_socket_address({address, 0});
  if (!where) return false;
  const Fd socket(::socket(where->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return socket && ::bind(socket.get(), where->get(), where->bytes) == 0;
}

Result<Library> load() {
  const KeptSignals signals;
  void* handle = map_library();
  if (handle == nullptr) {
    const char* said = dlerror();
    return fail(Code::unsupported, "libfabric cannot be loaded (" + std::string(said == nullptr ? file : said) +
                                       "): Debian has it in the package libfabric1");
  }
  // Never unloaded: it leaves threads and handlers behind.
  Library library{.is_own_address = can_bind};
  const bool complete = find(handle, "fi_getinfo", "FABRIC_1.3", library.getinfo) &&
                        find(handle, "fi_freeinfo", "FABRIC_1.3", library.freeinfo) &&
                        find(handle, "fi_dupinfo", "FABRIC_1.3", library.dupinfo) &&
                        find(handle, "fi_fabric", "FABRIC_1.1", library.fabric) &&
                        find(handle, "fi_version", "FABRIC_1.0", library.version) &&
                        find(handle, "fi_strerror", "FABRIC_1.0", library.strerror);
  const auto too_old = [](const std::string& what) {
    return fail(Code::unsupported, what + ": version " + std::to_string(FI_MAJOR(api_version)) + "." +
                                       std::to_string(FI_MINOR(api_version)) + " is needed, or a newer one");
  };
  if (!complete) return too_old(std::string("the ") + file + " of this machine lacks functions");
  const std::uint32_t version = library.version();
  if (FI_VERSION_LT(version, api_version))
    return too_old("the libfabric of this machine is " + std::to_string(FI_MAJOR(version)) + "." +
                   std::to_string(FI_MINOR(version)));
  begin_providers(library);
  return library;
}

}  // namespace

void* map_library() {
  set_environment();
  const KeptSignals signals;  // some are caught as soon as a provider's library is mapped
  return dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

Result<const Library*> load_library() {
  static const Result<Library> loaded = load();
  if (!loaded) return std::unexpected(loaded.error());
  return &*loaded;
}

}  // namespace longhaul::wire::fabric
