#include "paths/discovery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace longhaul::paths {
namespace {

using wire::OwnAddress;

AllowList list(std::string_view text) {
  const auto parsed = AllowList::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : AllowList();
}

const std::vector<OwnAddress> in_use = {{"eth0", "10.0.1.1", 24}};

TEST(AllowList, AutoIsTheInterfacesInUseAndGlobalAddressesOfTheirFamily) {
  const AllowList any = list("auto");
  EXPECT_FALSE(any.chosen());
  EXPECT_TRUE(any.permits({"eth0", "10.0.9.9", 24}, in_use));
  EXPECT_TRUE(any.permits({"eth0", "2001:db8::1", 64}, in_use)) << "on the interface that is in use";
  EXPECT_FALSE(any.permits({"eth1", "10.0.2.1", 24}, in_use)) << "another interface, an address of a private network";
  EXPECT_FALSE(any.permits({"eth1", "100.64.0.1", 10}, in_use));
  EXPECT_TRUE(any.permits({"eth1", "198.51.100.7", 24}, in_use));
  EXPECT_FALSE(any.permits({"eth1", "2001:db8::1", 64}, in_use)) << "another family";
  EXPECT_FALSE(any.permits({"eth0", "10.0.1.1", 24}, {})) << "nothing is in use";
}

TEST(AllowList, ListedInterfacesAndNetworks) {
  const AllowList some = list("eth1,192.168.4.0/23,fd00:1::/32,10.0.0.7");
  EXPECT_TRUE(some.chosen());
  EXPECT_TRUE(some.permits({"eth1", "172.16.0.1", 24}, in_use));
  EXPECT_FALSE(some.permits({"eth0", "10.0.1.1", 24}, in_use)) << "in use, and not listed";
  EXPECT_TRUE(some.permits({"eth2", "192.168.5.255", 24}, in_use));
  EXPECT_FALSE(some.permits({"eth2", "192.168.6.0", 24}, in_use));
  EXPECT_TRUE(some.permits({"eth2", "fd00:1:2::3", 64}, in_use));
  EXPECT_TRUE(some.permits({"eth2", "10.0.0.7", 24}, in_use));
  EXPECT_FALSE(some.permits({"eth2", "10.0.0.8", 24}, in_use));
}

TEST(AllowList, SomeAddressesNeverAre) {
  const AllowList all = list("0.0.0.0/0,::/0,lo");
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "169.254.1.1", "fe80::1", "224.0.0.1", "ff02::1",
                              "0.0.0.0", "::", "255.255.255.255", "::ffff:127.0.0.1", "no address", ""}) {
    EXPECT_FALSE(all.permits({"lo", address, 8}, in_use)) << address;
    EXPECT_FALSE(all.permits_remote(address, in_use)) << address;
  }
  EXPECT_TRUE(all.permits_remote("198.51.100.7", {}));
}

TEST(AllowList, APeersAddressesAreThoseOfOurNetworksOrGlobalOnes) {
  EXPECT_TRUE(list("auto").permits_remote("10.0.1.2", in_use));
  EXPECT_FALSE(list("auto").permits_remote("10.0.2.2", in_use)) << "some host in a network that is not ours";
  EXPECT_TRUE(list("auto").permits_remote("198.51.100.7", in_use));
  EXPECT_FALSE(list("10.0.2.0/24").permits_remote("10.0.1.2", in_use)) << "networks are listed, and it is in none";
  EXPECT_FALSE(list("10.0.2.0/24").permits_remote("198.51.100.7", in_use));
  EXPECT_TRUE(list("eth1").permits_remote("10.0.1.2", in_use));
}

TEST(AllowList, WhatIsNoneIsRefused) {
  for (const char* text : {"", ",", "eth1,", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/", "fd00::/129", "10.0.0/8", "a/b",
                           "an interface", "averylongnameofadevice", "eth1,auto"}) {
    const auto parsed = AllowList::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::usage);
    EXPECT_NE(parsed.error().text.find("--discover"), std::string::npos);
  }
}

TEST(WorthProbing, EachAddressComesEarlyAndNoPairTwice) {
  std::vector<OwnAddress> own;
  std::vector<std::string> told;
  for (int i = 0; i < 8; ++i) {
    own.push_back({"eth" + std::to_string(i), "198.51.100." + std::to_string(i + 1), 32});
    told.push_back("203.0.113." + std::to_string(i + 1) + ":4711");
  }
  const std::vector<Probe> used = {{.local = "198.51.100.1", .remote = "203.0.113.1:9"}};
  const auto probes = worth_probing(own, told, used);
  ASSERT_EQ(probes.size(), probes_max);
  std::set<std::pair<std::string, std::string>> pairs;
  for (const Probe& probe : probes) pairs.emplace(probe.local, probe.remote);
  EXPECT_EQ(pairs.size(), probes.size());
  EXPECT_FALSE(pairs.contains({"198.51.100.1", "203.0.113.1:4711"})) << "it is a path, whatever its port";
  for (std::size_t i = 1; i < 8; ++i) EXPECT_EQ(probes.at(i - 1).local, own[i].address);
}

TEST(WorthProbing, NeighboursFirstAndFamiliesApart) {
  const std::vector<OwnAddress> own = {{"eth0", "10.0.1.1", 24}, {"eth1", "10.0.2.1", 24}, {"eth2", "fd00::1", 64}};
  const std::vector<std::string> told = {"10.0.2.2:1", "[fd00::2]:1", "10.0.9.9:1"};
  const auto probes = worth_probing(own, told, {});
  ASSERT_EQ(probes.size(), 5U);
  const std::set<std::string> first = {probes[0].remote, probes[1].remote};
  EXPECT_EQ(first, (std::set<std::string>{"10.0.2.2:1", "[fd00::2]:1"}));
  for (const Probe& probe : probes) EXPECT_EQ(probe.local == "fd00::1", probe.remote.starts_with('[')) << probe.remote;
}

TEST(WorthUsing, EndsInOneNetworkGoBeforeAShorterWay) {
  const auto chosen = worth_using({{"eth1", "10.0.1.1", "10.0.2.2:1", 5},
                                   {"eth2", "10.0.2.1", "10.0.2.2:1", 8, true},
                                   {"eth1", "10.0.1.1", "10.0.1.2:1", 9, true}},
                                  {});
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].local, "10.0.2.1");
  EXPECT_EQ(chosen[1].remote, "10.0.1.2:1");
}

TEST(WorthUsing, EveryPathBringsANewEnd) {
  const std::vector<Probe> used = {{"eth1", "10.0.1.1", "10.0.1.2:1"}};
  const auto chosen = worth_using({{"eth1", "10.0.1.1", "10.0.2.2:1", 5},
                                   {"eth2", "10.0.2.1", "10.0.2.2:1", 7},
                                   {"eth2", "10.0.2.1", "10.0.1.2:1", 6},
                                   {"eth3", "10.0.3.1", "10.0.3.2:1", 0},
                                   {"eth4", "10.0.4.1", "10.0.2.2:1", 9}},
                                  used);
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].local, "10.0.2.1") << "both of its ends are new, so it goes before nearer ones";
  EXPECT_EQ(chosen[0].remote, "10.0.2.2:1");
  EXPECT_EQ(chosen[1].local, "10.0.4.1") << "one new end";
}

TEST(WorthUsing, ASecondAddressOfAnInterfaceIsNoNewWay) {
  const std::vector<Probe> used = {{"eth1", "10.0.1.1", "10.0.1.2:1"}};
  EXPECT_TRUE(worth_using({{"eth1", "10.0.1.9", "10.0.1.2:1", 5}}, used).empty());
  EXPECT_EQ(worth_using({{"eth1", "10.0.1.9", "10.0.1.3:1", 5}}, used).size(), 1U);
}

}  // namespace
}  // namespace longhaul::paths
