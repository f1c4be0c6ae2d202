// The seam to fabrics: endpoints that write into each other's memory. Thin on purpose: what a provider asks for is told
// (`FabricPlace`), how it is met is decided by those above, who run against providers that ask for anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "longhaul/fabric.h"
#include "longhaul/status.h"

namespace longhaul::wire::fabric {

inline constexpr std::size_t remote_data_bytes = 4;    ///< what a write carries into the target's queue
inline constexpr std::size_t address_bytes_max = 256;  ///< of an endpoint: verbs has 24, efa 32, shm its name

/// Memory that an endpoint knows.
struct Registration {
  unsigned id = 0;        ///< for the calls of its endpoint
  std::uint64_t key = 0;  ///< for the peer. With FabricMemory::endpoint not known before `enable_memory`
};

/// One write into the peer's memory. What it points to stays untouched until its completion has come, or the endpoint
/// is closed.
struct RemoteWrite {
  ConstBytes from;
  std::optional<unsigned> registration;  ///< of `from`, where FabricMemory::local asks for it
  std::uint64_t address = 0;             ///< there
  std::uint64_t key = 0;
  std::uint32_t token = 0;            ///< below FabricPlace::depth, not in use; comes back with the completion
  std::optional<std::uint32_t> data;  ///< into the target's queue, where the provider can. Without: its completion
                                      ///< means that it is in the target's memory
};

struct Event {
  enum class Kind : std::uint8_t {
    written,  ///< `token`: the write is complete, what it was from may be used again
    arrived,  ///< a write of the peer is all there; `data` came with it
    failed,   ///< an operation failed, or the queue: the endpoint is of no more use
  };
  Kind kind = Kind::written;
  std::uint32_t token = 0;
  std::uint32_t data = 0;
  std::string words;  ///< of `failed`
};

/// Used by one thread, which makes and destroys it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;  ///< closes
  /// A fence: when it has returned true, no peer writes into memory that was registered here any more, and nothing is
  /// read from here. False: the provider did not let go, and that memory must never be used again. Then only `place`
  /// may be called. A second call does nothing.
  [[nodiscard]] virtual bool close() = 0;
  [[nodiscard]] virtual const FabricPlace& place() const = 0;
  /// Where peers reach it.
  [[nodiscard]] virtual std::vector<std::byte> address() const = 0;
  /// The one peer that there will be. Errors (protocol): not an address of this provider.
  virtual Result<> meet(ConstBytes peer_address) = 0;
  /// `remote`: for the peer to write into, else for writing from. `wished_key` counts where the provider does not
  /// choose. Errors (unsupported): memlock, keys in use.
  virtual Result<Registration> register_memory(Bytes memory, bool remote, std::uint64_t wished_key) = 0;
  /// FabricMemory::endpoint: binds it to this endpoint and enables it; its key is known then.
  virtual Result<Registration> enable_memory(unsigned registration) = 0;

  enum class Posted : std::uint8_t {
    taken,
    again,   ///< no room now, or the peer cannot be reached yet: read the queue, try again
    failed,  ///< `why`
  };
  virtual Posted write(const RemoteWrite& write, Error& why) = 0;
  /// What has happened: fills `events` from the front, returns how many. Drives progress. Errors that wait are among
  /// them, all of them.
  [[nodiscard]] virtual std::size_t poll(std::span<Event> events) = 0;
  /// Readable when `poll` has something to do; -1: there is no such descriptor, poll from time to time.
  [[nodiscard]] virtual int wait_fd() const = 0;
  /// Asked right before waiting on `wait_fd`. False: poll first.
  [[nodiscard]] virtual bool may_wait() = 0;
};

class Fabric {
 public:
  virtual ~Fabric() = default;
  /// An endpoint of `wish.provider` at the first place that fits. Errors (unsupported): why there is none like it here,
  /// or why it cannot be opened, and what would help.
  virtual Result<std::unique_ptr<Endpoint>> open(const FabricWish& wish) = 0;
};

/// Of this machine; lives as long as the process. Any thread; the first call sets the environment (library.h).
[[nodiscard]] Fabric& system_fabric();

}  // namespace longhaul::wire::fabric
