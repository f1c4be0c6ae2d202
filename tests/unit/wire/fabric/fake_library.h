// A libfabric that has what a test says.
#pragma once

#include <rdma/fi_errno.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "wire/fabric/library.h"

namespace longhaul::wire::fabric {

/// One entry of its table.
struct FakePlace {
  std::string provider = "tcp;ofi_rxm";  ///< found by the first part of it
  std::string device = "eth0";
  std::string address = "10.0.0.1";  ///< IPv4, or IPv6 with a colon; empty: an address of its own kind
  int mr_mode = 0;
  std::size_t data_bytes = 8;
  fi_progress progress = FI_PROGRESS_MANUAL;
  std::size_t write_bytes_max = 1 << 30;
  std::size_t depth = 256;
  std::uint64_t caps = FI_MSG | FI_RMA | FI_WRITE | FI_REMOTE_WRITE;
  std::uint64_t op_flags = FI_DELIVERY_COMPLETE;  ///< that it can do
  std::string nic;                                ///< the name of its hardware, if it tells one
};

struct FakeTable {
  std::vector<FakePlace> places;
  std::vector<std::string> built_in;  ///< providers that found nothing belong to it as well
  std::uint32_t version = FI_VERSION(1, 17);
  std::string strange_address;  ///< this machine has every other one
  int lists_alive = 0;          ///< entries that were handed out and not taken back
};

/// There is one; each test fills it anew.
FakeTable& fake_table();
/// Its functions look into `fake_table()`.
const Library& fake_library();

}  // namespace longhaul::wire::fabric
