#include "wire/fabric/lookup.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "fake_library.h"
#include "longhaul/options.h"

namespace longhaul::wire::fabric {
namespace {

class Lookup : public testing::Test {
 protected:
  void SetUp() override { fake_table() = {}; }
  void TearDown() override {
    unsetenv("FI_PROVIDER");
    EXPECT_EQ(fake_table().lists_alive, 0) << "what libfabric hands out is given back";
  }
  static FabricOffer offer(const std::string& provider, const std::string& where = {}) {
    const FabricReport report = probe_with(fake_library(), {.provider = provider, .where = where});
    EXPECT_TRUE(report.usable);
    EXPECT_EQ(report.offers.size(), 1U);
    return report.offers.at(0);
  }
  static void expect_missing(const std::string& provider, const std::string& where, const std::string& words) {
    const FabricOffer it = offer(provider, where);
    EXPECT_TRUE(it.places.empty());
    EXPECT_NE(it.why.find(words), std::string::npos) << it.why;
    const auto found = look_up(fake_library(), {.provider = provider, .where = where});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::unsupported);
    EXPECT_NE(found.error().text.find(words), std::string::npos) << found.error().text;
    EXPECT_NE(found.error().text.find(provider), std::string::npos) << found.error().text;
  }
};

TEST_F(Lookup, APlaceSaysWhatItIs) {
  fake_table().places = {
      {.provider = "net", .mr_mode = FI_MR_LOCAL | FI_MR_PROV_KEY, .data_bytes = 8, .write_bytes_max = 4096}};
  const FabricOffer it = offer("net");
  EXPECT_EQ(it.name, "net");
  EXPECT_EQ(it.why, "");
  ASSERT_EQ(it.places.size(), 1U);
  const FabricPlace& place = it.places[0];
  EXPECT_EQ(place.provider, "net");
  EXPECT_EQ(place.device, "eth0");
  EXPECT_EQ(place.address, "10.0.0.1");
  EXPECT_EQ(place.memory, (FabricMemory{.local = true, .provider_keys = true}));
  EXPECT_EQ(place.remote_data_bytes, 8U);
  EXPECT_TRUE(place.manual_progress);
  EXPECT_EQ(place.write_bytes_max, 4096U);
  EXPECT_EQ(place.depth, path_slots_max) << "no more than a rail has";
}

TEST_F(Lookup, EveryMemoryModeIsTold) {
  const std::pair<int, FabricMemory> modes[] = {{0, {}},
                                                {FI_MR_LOCAL, {.local = true}},
                                                {FI_MR_VIRT_ADDR, {.virtual_addresses = true}},
                                                {FI_MR_ALLOCATED, {.allocated = true}},
                                                {FI_MR_PROV_KEY, {.provider_keys = true}},
                                                {FI_MR_ENDPOINT, {.endpoint = true}}};
  for (const auto& [mode, memory] : modes) {
    fake_table().places = {{.mr_mode = mode}};
    EXPECT_EQ(offer("tcp").places.at(0).memory, memory) << mode;
  }
}

TEST_F(Lookup, AProviderThatInsistsOnAnotherModeIsNotUsed) {
  fake_table().places = {{.provider = "odd", .mr_mode = FI_MR_RAW}};
  fake_table().built_in = {"odd"};
  expect_missing("odd", "", "no reliable endpoints with one-sided writes");
}

TEST_F(Lookup, WithoutRemoteDataIsBetterThanNothing) {
  fake_table().places = {{.provider = "net", .device = "a", .data_bytes = 0}};
  EXPECT_EQ(offer("net").places.at(0).remote_data_bytes, 0U);
  fake_table().places.push_back({.provider = "net", .device = "b", .data_bytes = 4});
  const FabricOffer both = offer("net");
  ASSERT_EQ(both.places.size(), 1U) << "and with it better than without";
  EXPECT_EQ(both.places[0].device, "b");
}

TEST_F(Lookup, TcpBelowRxmCarriesNoData) {
  fake_table().places = {{.data_bytes = 8}};
  ASSERT_EQ(offer("tcp").places.size(), 1U);
  EXPECT_EQ(offer("tcp").places[0].remote_data_bytes, 0U);
  fake_table().places.push_back({.provider = "tcp", .data_bytes = 8});  // that of libfabric 1.18 needs no rxm
  ASSERT_EQ(offer("tcp").places.size(), 1U);
  EXPECT_EQ(offer("tcp").places[0].remote_data_bytes, 8U);
}

TEST_F(Lookup, ACompletionThatSaysNothingAndNoRemoteDataAreTooLittle) {
  fake_table().built_in = {"net", "tcp"};
  fake_table().places = {{.provider = "net", .data_bytes = 0, .op_flags = 0}};
  expect_missing("net", "", "no reliable endpoints with one-sided writes");
  fake_table().places = {{.provider = "net", .data_bytes = 4, .op_flags = 0}};
  EXPECT_EQ(offer("net").places.size(), 1U);
  fake_table().places = {{.data_bytes = 8, .op_flags = 0}};
  expect_missing("tcp", "", "no reliable endpoints with one-sided writes");
}

TEST_F(Lookup, OneAddressOrDevice) {
  fake_table().places = {{.device = "eth0", .address = "10.0.0.1"},
                         {.device = "eth1", .address = "10.0.1.1"},
                         {.device = "eth1", .address = "fd00::1"},
                         {.device = "domain", .address = "10.0.2.1", .nic = "mlx5_0"}};
  EXPECT_EQ(offer("tcp").places.size(), 4U);
  EXPECT_EQ(offer("tcp", "10.0.1.1").places.at(0).device, "eth1");
  ASSERT_EQ(offer("tcp", "eth1").places.size(), 2U);
  EXPECT_EQ(offer("tcp", "eth1").places[1].address, "fd00::1");
  ASSERT_EQ(offer("tcp", "mlx5_0").places.size(), 1U);
  EXPECT_EQ(offer("tcp", "mlx5_0").places[0].device, "mlx5_0");
  expect_missing("tcp", "10.9.9.9", "not at 10.9.9.9: it is at eth0 10.0.0.1, eth1 10.0.1.1");
  expect_missing("tcp", "eth7", "not at eth7");
}

TEST_F(Lookup, AnAddressOfAnotherMachineIsNotBelieved) {
  // As libfabric's tcp does it: it has whatever address it is asked for.
  fake_table().places = {{.device = "tcp", .address = "10.9.9.9"}};
  EXPECT_EQ(offer("tcp", "10.9.9.9").places.size(), 1U);
  fake_table().strange_address = "10.9.9.9";
  expect_missing("tcp", "10.9.9.9", "not at 10.9.9.9");
}

TEST_F(Lookup, AnAddressSaysNothingToProvidersWithTheirOwn) {
  fake_table().places = {{.provider = "efa", .device = "rdmap0", .address = ""}};
  EXPECT_EQ(offer("efa", "10.0.0.1").places.size(), 1U);
  EXPECT_EQ(offer("efa", "10.0.0.1").places[0].address, "");
  EXPECT_EQ(offer("efa", "rdmap0").places.size(), 1U);
  expect_missing("efa", "rdmap1", "it is at rdmap0");
}

TEST_F(Lookup, APlaceIsToldOnce) {
  fake_table().places = {{.depth = 8}, {.depth = 16}, {.address = "10.0.0.2"}};
  EXPECT_EQ(offer("tcp").places.size(), 2U);
}

TEST_F(Lookup, WhyItIsMissing) {
  fake_table().built_in = {"tcp", "ofi_rxm", "verbs;ofi_rxm"};
  expect_missing("verbs", "", "found nothing here that it could use (No data available); it needs an InfiniBand");
  expect_missing("verbs;ofi_rxm", "",
                 "found nothing here that it could use (No data available); it needs an InfiniBand");
  expect_missing(
      "efa", "",
      "this libfabric has only tcp, verbs: it was built without it, or found no device for it; it needs an EC2");
  expect_missing("nonsense", "", "has only tcp, verbs: it was built without it");
  fake_table().places = {{.caps = FI_MSG}};
  expect_missing("tcp", "", "no reliable endpoints with one-sided writes here (No data available)");
  ASSERT_EQ(setenv("FI_PROVIDER", "tcp", 1), 0);
  expect_missing("efa", "", "FI_PROVIDER=tcp in the environment");
}

TEST_F(Lookup, WithoutAWishAllThatAreWorthALook) {
  fake_table().places = {{}, {.provider = "shm", .device = "shm", .address = ""}};
  const FabricReport report = probe_with(fake_library(), {});
  EXPECT_EQ(report.library, "libfabric 1.17");
  std::string here;
  for (const FabricOffer& it : report.offers) {
    EXPECT_EQ(it.places.empty(), !it.why.empty()) << it.name;
    if (!it.places.empty()) here += it.name + " ";
  }
  EXPECT_GE(report.offers.size(), 7U);
  EXPECT_EQ(here, "tcp shm ");
}

}  // namespace
}  // namespace longhaul::wire::fabric
