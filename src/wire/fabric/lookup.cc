#include "wire/fabric/lookup.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "longhaul/options.h"
#include "wire/ip.h"
#include "wire/socket_address.h"

namespace longhaul::wire::fabric {
namespace {

constexpr std::uint64_t modes_known = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
constexpr std::size_t depth_max = path_slots_max;  // writes that are out at once: one for each slot
constexpr std::size_t data_bytes_min = 4;          // slot and generation

/// What is worth a look, and what it takes to have it.
struct Known {
  std::string_view name;
  std::string_view needs;
  bool own_addresses = false;  ///< those of IP say nothing to it
};
constexpr std::array known{
    Known{"verbs",
          "an InfiniBand, RoCE or iWARP device that is up ('ibv_devinfo' of ibverbs-utils lists them) with an IP "
          "address, "
          "and memory that may be locked ('ulimit -l')"},
    Known{"efa", "an EC2 instance with an Elastic Fabric Adapter, and memory that may be locked ('ulimit -l')", true},
    Known{"tcp", "an address that is up"},
    Known{"net", "libfabric 1.16 or 1.17 (later ones have it in tcp), and an address that is up"},
    Known{"shm", "POSIX shared memory (/dev/shm); it reaches this machine only", true},
    Known{"sockets", "an address that is up"},
    Known{"udp", "an address that is up"},
};

const Known* find_known(std::string_view name) {
  const auto* const at = std::ranges::find(known, name, &Known::name);
  return at == known.end() ? nullptr : at;
}

Info make_hints(const Library& library, const std::string& provider) {
  Info hints(library.dupinfo(nullptr), InfoFree{library.freeinfo});
  LH_CHECK(hints, "libfabric has memory for its hints");
  // libfabric frees it.
  if (!provider.empty()) hints->fabric_attr->prov_name = strdup(provider.c_str());
  return hints;
}

void ask_for_writes(fi_info& hints, std::size_t data_bytes) {
  hints.caps = FI_MSG | FI_RMA | FI_WRITE | FI_REMOTE_WRITE;
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  hints.ep_attr->type = FI_EP_RDM;
  hints.domain_attr->mr_mode = static_cast<int>(modes_known);
  hints.domain_attr->threading = FI_THREAD_DOMAIN;
  hints.domain_attr->resource_mgmt = FI_RM_ENABLED;
  hints.domain_attr->cq_data_size = data_bytes;
  // Then the completion of a write must mean that it is there, for the sender to tell of it.
  if (data_bytes == 0) hints.tx_attr->op_flags = FI_DELIVERY_COMPLETE;
}

/// The list, or the error as libfabric tells it, negative.
std::expected<Info, int> get_info(const Library& library, const char* source, std::uint64_t flags,
                                  const fi_info& hints) {
  fi_info* found = nullptr;
  const int error =
      library.getinfo(api_version, source, nullptr, flags | (source == nullptr ? 0 : FI_SOURCE), &hints, &found);
  if (error != 0) return std::unexpected(error);
  if (found == nullptr) return std::unexpected(-FI_ENODATA);
  return Info(found, InfoFree{library.freeinfo});
}

bool is_on_device(const fi_info& info, std::string_view device) {
  const auto named = [&](const char* name) { return name != nullptr && device == name; };
  const bool by_nic = info.nic != nullptr && info.nic->device_attr != nullptr && named(info.nic->device_attr->name);
  return by_nic || named(info.domain_attr->name);
}

/// rxm ends its process when a TCP connection ends within a write that carries data: the error names no operation, and
/// rxm looks into it all the same (libfabric 1.17, rxm_handle_comp_error). Within one that carries none it ends
/// quietly.
bool must_not_carry_data(const fi_info& info) {
  const char* name = info.fabric_attr->prov_name;
  return name != nullptr && std::string_view(name) == "tcp;ofi_rxm";
}

/// Leaves what is `wanted`; null: nothing is.
template <typename Wanted>
Info keep(Info list, const Wanted& wanted) {
  const InfoFree free = list.get_deleter();
  fi_info* kept = nullptr;
  fi_info** last = &kept;
  for (fi_info* each = list.release(); each != nullptr;) {
    fi_info* next = each->next;
    each->next = nullptr;
    if (wanted(*each)) {
      *last = each;
      last = &each->next;
    } else {
      free(each);
    }
    each = next;
  }
  return {kept, free};
}

/// With what carries data if there is any, else without.
std::expected<Info, int> find_writers(const Library& library, const FabricWish& wish) {
  const Known* it = find_known(wish.provider);
  const bool is_address = parse_ip(wish.where.substr(0, wish.where.find('%'))).has_value();  // without its zone
  const bool by_address = is_address && !(it != nullptr && it->own_addresses);
  int error = -FI_ENODATA;
  if (by_address && !library.is_own_address(wish.where)) return std::unexpected(error);
  for (const std::size_t data_bytes : {data_bytes_min, std::size_t{0}}) {
    const Info hints = make_hints(library, wish.provider);
    ask_for_writes(*hints, data_bytes);
    auto found = get_info(library, by_address ? wish.where.c_str() : nullptr, 0, *hints);
    if (!found) {
      error = found.error();
      continue;
    }
    Info kept = keep(*std::move(found), [&](const fi_info& each) {
      const bool is_there = is_address || wish.where.empty() || is_on_device(each, wish.where);
      return is_there && (data_bytes == 0 || !must_not_carry_data(each));
    });
    if (kept) return kept;
    error = -FI_ENODATA;
  }
  return std::unexpected(error);
}

/// "tcp", "shm", "verbs": all that this libfabric has, usable or not, without its layers and hooks. Those that want a
/// device before they exist at all (verbs, efa in 1.17) are not among them where there is none.
std::set<std::string> offered(const Library& library) {
  std::set<std::string> names;
  fi_info* found = nullptr;
  if (library.getinfo(api_version, nullptr, nullptr, FI_PROV_ATTR_ONLY, nullptr, &found) != 0) return names;
  const Info list(found, InfoFree{library.freeinfo});
  for (const fi_info* each = list.get(); each != nullptr; each = each->next) {
    std::string_view rest = each->fabric_attr->prov_name == nullptr ? "" : each->fabric_attr->prov_name;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      if (!rest.starts_with("ofi_")) names.emplace(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return names;
}

/// Whether it does anything at all here, if not what we need.
bool does_anything(const Library& library, const std::string& provider) {
  const Info hints = make_hints(library, provider);
  hints->mode = ~std::uint64_t{0};
  hints->domain_attr->mode = ~std::uint64_t{0};
  hints->domain_attr->mr_mode = ~(FI_MR_BASIC | FI_MR_SCALABLE);
  return get_info(library, nullptr, 0, *hints).has_value();
}

std::string places_text(const std::vector<FabricPlace>& places) {
  std::string text;
  for (const FabricPlace& place : places)
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", place.device,
                        place.device.empty() || place.address.empty() ? "" : " ", place.address);
  return text;
}

std::vector<FabricPlace> places_of(const Info& list) {
  std::vector<FabricPlace> places;
  const auto same = [](const FabricPlace& a, const FabricPlace& b) {
    return a.provider == b.provider && a.device == b.device && a.address == b.address;
  };
  for (const fi_info* each = list.get(); each != nullptr; each = each->next) {
    FabricPlace place = place_of(*each);
    // Providers tell one place once for each of their variants.
    if (std::ranges::none_of(places, [&](const FabricPlace& other) { return same(place, other); }))
      places.push_back(std::move(place));
  }
  return places;
}

std::string why_missing(const Library& library, const FabricWish& wish, int error) {
  if (!wish.where.empty()) {
    if (const auto elsewhere = find_writers(library, {.provider = wish.provider, .where = {}}))
      return fmt::format("not at {}: it is at {}", printable(wish.where), places_text(places_of(*elsewhere)));
  }
  const std::string name = wish.provider.substr(0, wish.provider.find(';'));  // without its layers
  const Known* it = find_known(name);
  std::string needs = it == nullptr ? "" : fmt::format("; it needs {}", it->needs);
  if (const char* chosen = std::getenv("FI_PROVIDER"); chosen != nullptr && *chosen != 0)
    needs += fmt::format("; FI_PROVIDER={} in the environment leaves out what it does not name", printable(chosen));
  const std::set<std::string> names = offered(library);
  if (!names.contains(name))
    return fmt::format("this libfabric has only {}: it was built without it, or found no device for it{}",
                       fmt::join(names, ", "), needs);
  if (does_anything(library, wish.provider))
    return fmt::format("it has no reliable endpoints with one-sided writes here ({}){}", words_of(library, error),
                       needs);
  return fmt::format("libfabric has it, but found nothing here that it could use ({}){}", words_of(library, error),
                     needs);
}

FabricOffer offer_of(const Library& library, const FabricWish& wish) {
  FabricOffer offer{.name = wish.provider, .places = {}, .why = {}};
  if (const auto found = find_writers(library, wish))
    offer.places = places_of(*found);
  else
    offer.why = why_missing(library, wish, found.error());
  return offer;
}

std::string address_of(const fi_info& info) {
  if (info.src_addr == nullptr) return {};
  const bool is_v4 = info.addr_format == FI_SOCKADDR_IN && info.src_addrlen >= sizeof(sockaddr_in);
  const bool is_v6 = info.addr_format == FI_SOCKADDR_IN6 && info.src_addrlen >= sizeof(sockaddr_in6);
  if (!is_v4 && !is_v6) return {};
  SocketAddress address;
  address.bytes = is_v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(&address.storage, info.src_addr, address.bytes);
  const auto parsed = parse_host_port(to_text(address));
  return parsed ? parsed->host : "";
}

}  // namespace

std::string words_of(const Library& library, long error) {
  return library.strerror(static_cast<int>(error < 0 ? -error : error));
}

FabricPlace place_of(const fi_info& info) {
  const auto mode = static_cast<std::uint64_t>(info.domain_attr->mr_mode);
  const auto text = [](const char* name) { return std::string(name == nullptr ? "" : name); };
  FabricPlace place;
  place.provider = text(info.fabric_attr->prov_name);
  const bool has_nic = info.nic != nullptr && info.nic->device_attr != nullptr;
  place.device = has_nic ? text(info.nic->device_attr->name) : text(info.domain_attr->name);
  place.address = address_of(info);
  place.memory = {.local = (mode & FI_MR_LOCAL) != 0,
                  .virtual_addresses = (mode & FI_MR_VIRT_ADDR) != 0,
                  .allocated = (mode & FI_MR_ALLOCATED) != 0,
                  .provider_keys = (mode & FI_MR_PROV_KEY) != 0,
                  .endpoint = (mode & FI_MR_ENDPOINT) != 0};
  place.remote_data_bytes = must_not_carry_data(info) ? 0 : static_cast<unsigned>(info.domain_attr->cq_data_size);
  place.manual_progress = info.domain_attr->data_progress != FI_PROGRESS_AUTO;
  place.write_bytes_max = info.ep_attr->max_msg_size;
  place.depth = static_cast<unsigned>(std::clamp<std::size_t>(info.tx_attr->size, 1, depth_max));
  return place;
}

Result<Info> look_up(const Library& library, const FabricWish& wish) {
  auto found = find_writers(library, wish);
  if (found) return *std::move(found);
  return fail(Code::unsupported,
              fmt::format("no fabric '{}': {}", printable(wish.provider), why_missing(library, wish, found.error())));
}

FabricReport probe_with(const Library& library, const FabricWish& wish) {
  const std::uint32_t version = library.version();
  FabricReport report{
      .usable = true, .library = fmt::format("libfabric {}.{}", FI_MAJOR(version), FI_MINOR(version)), .offers = {}};
  if (!wish.provider.empty()) {
    report.offers.push_back(offer_of(library, wish));
    return report;
  }
  for (const Known& each : known)
    report.offers.push_back(offer_of(library, {.provider = std::string(each.name), .where = wish.where}));
  return report;
}

}  // namespace longhaul::wire::fabric
