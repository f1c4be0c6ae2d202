#include "fake_library.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace longhaul::wire::fabric {
namespace {

template <class T>
T* zeroed() {
  return static_cast<T*>(std::calloc(1, sizeof(T)));
}

fi_info* make_info() {
  fake_table().lists_alive += 1;
  auto* info = zeroed<fi_info>();
  info->tx_attr = zeroed<fi_tx_attr>();
  info->rx_attr = zeroed<fi_rx_attr>();
  info->ep_attr = zeroed<fi_ep_attr>();
  info->domain_attr = zeroed<fi_domain_attr>();
  info->fabric_attr = zeroed<fi_fabric_attr>();
  return info;
}

void free_infos(fi_info* info) {
  while (info != nullptr) {
    fake_table().lists_alive -= 1;
    fi_info* next = info->next;
    if (info->nic != nullptr) {
      std::free(info->nic->device_attr->name);
      std::free(info->nic->device_attr);
      std::free(info->nic);
    }
    std::free(info->fabric_attr->prov_name);
    std::free(info->domain_attr->name);
    std::free(info->src_addr);
    std::free(info->tx_attr);
    std::free(info->rx_attr);
    std::free(info->ep_attr);
    std::free(info->domain_attr);
    std::free(info->fabric_attr);
    std::free(info);
    info = next;
  }
}

void put_address(fi_info& info, const std::string& address) {
  if (address.empty()) {
    info.addr_format = FI_ADDR_EFA;
    info.src_addrlen = 8;
    info.src_addr = std::calloc(1, 8);
    return;
  }
  const bool is_v6 = address.contains(':');
  info.addr_format = is_v6 ? FI_SOCKADDR_IN6 : FI_SOCKADDR_IN;
  info.src_addrlen = is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  info.src_addr = std::calloc(1, info.src_addrlen);
  auto* v4 = static_cast<sockaddr_in*>(info.src_addr);
  auto* v6 = static_cast<sockaddr_in6*>(info.src_addr);
  v4->sin_family = is_v6 ? AF_INET6 : AF_INET;
  const int parsed =
      is_v6 ? inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) : inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
  if (parsed != 1) std::abort();
}

fi_info* info_of(const FakePlace& place) {
  fi_info* info = make_info();
  info->caps = place.caps;
  info->fabric_attr->prov_name = strdup(place.provider.c_str());
  info->domain_attr->name = strdup(place.device.c_str());
  info->domain_attr->mr_mode = place.mr_mode;
  info->domain_attr->cq_data_size = place.data_bytes;
  info->domain_attr->data_progress = place.progress;
  info->ep_attr->max_msg_size = place.write_bytes_max;
  info->tx_attr->size = place.depth;
  put_address(*info, place.address);
  if (!place.nic.empty()) {
    info->nic = zeroed<fid_nic>();
    info->nic->device_attr = zeroed<fi_device_attr>();
    info->nic->device_attr->name = strdup(place.nic.c_str());
  }
  return info;
}

bool fits(const FakePlace& place, const char* source, const fi_info& hints) {
  const std::string core = place.provider.substr(0, place.provider.find(';'));
  if (hints.fabric_attr->prov_name != nullptr && core != hints.fabric_attr->prov_name) return false;
  if ((hints.caps & ~place.caps) != 0 || (place.mr_mode & ~hints.domain_attr->mr_mode) != 0) return false;
  if (hints.domain_attr->cq_data_size > place.data_bytes) return false;
  if ((hints.tx_attr->op_flags & ~place.op_flags) != 0) return false;
  return source == nullptr || place.address == source;
}

int get_infos(std::uint32_t version, const char* source, const char*, std::uint64_t flags, const fi_info* hints,
              fi_info** list) {
  if (version > fake_table().version) return -FI_ENOSYS;
  fi_info* first = nullptr;
  fi_info** last = &first;
  const auto add = [&](const FakePlace& place) {
    *last = info_of(place);
    last = &(*last)->next;
  };
  if ((flags & FI_PROV_ATTR_ONLY) != 0) {
    for (const std::string& name : fake_table().built_in) add({.provider = name});
  } else {
    for (const FakePlace& place : fake_table().places)
      if (fits(place, source, *hints)) add(place);
  }
  *list = first;
  return first == nullptr ? -FI_ENODATA : 0;
}

fi_info* copy_info(const fi_info* info) {
  if (info != nullptr) std::abort();
  return make_info();
}

}  // namespace

FakeTable& fake_table() {
  static FakeTable table;
  return table;
}

const Library& fake_library() {
  static const Library library{
      .getinfo = get_infos,
      .freeinfo = free_infos,
      .dupinfo = copy_info,
      .fabric = nullptr,
      .version = [] { return fake_table().version; },
      .strerror = [](int error) -> const char* { return error == FI_ENODATA ? "No data available" : "Another"; },
      .is_own_address = [](const std::string& address) { return address != fake_table().strange_address; }};
  return library;
}

}  // namespace longhaul::wire::fabric
