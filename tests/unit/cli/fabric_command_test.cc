#include "cli/fabric_command.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace longhaul::cli {
namespace {

using Json = nlohmann::json;

FabricReport sample() {
  FabricReport report{.usable = true, .library = "libfabric 1.17", .offers = {}};
  report.offers.push_back({.name = "tcp",
                           .places = {{.provider = "tcp;ofi_rxm",
                                       .device = "eth0",
                                       .address = "10.0.0.1",
                                       .memory = {.local = true, .allocated = true},
                                       .remote_data_bytes = 8,
                                       .manual_progress = true,
                                       .write_bytes_max = 4096,
                                       .depth = 64},
                                      {.provider = "tcp;ofi_rxm", .device = "lo", .address = "::1"}},
                           .why = {}});
  report.offers.push_back({.name = "verbs", .places = {}, .why = "no\x1b[31m device"});
  return report;
}

TEST(FabricCommand, OneLineForEachProvider) {
  EXPECT_EQ(fabrics_text(sample()),
            "fabrics: libfabric 1.17\n"
            "  tcp: eth0 10.0.0.1, lo ::1\n"
            "  verbs: missing: no\\x1b[31m device\n");
  EXPECT_EQ(fabrics_text({.usable = false, .library = "none was built in", .offers = {}}),
            "fabrics: none: none was built in\n");
}

TEST(FabricCommand, ATableOfPlaces) {
  const std::string text = probe_text(sample());
  EXPECT_NE(text.find("tcp   tcp;ofi_rxm  eth0    10.0.0.1  8 bytes      manual     64 of 4.00 KiB"), std::string::npos)
      << text;
  EXPECT_NE(text.find("local,allocated\n"), std::string::npos) << text;
  EXPECT_NE(text.find("missing: verbs: no\\x1b[31m device\n"), std::string::npos) << text;
}

TEST(FabricCommand, OneJsonObject) {
  const std::string line = probe_json(sample());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json object = Json::parse(line);
  EXPECT_EQ(object["event"], "fabrics");
  EXPECT_EQ(object["providers"][0]["name"], "tcp");
  EXPECT_EQ(object["providers"][0]["why"], nullptr);
  const Json& place = object["providers"][0]["places"][0];
  EXPECT_EQ(place["address"], "10.0.0.1");
  EXPECT_EQ(place["memory"], Json({"local", "allocated"}));
  EXPECT_EQ(place["progress"], "manual");
  EXPECT_EQ(place["remote_data_bytes"], 8);
  EXPECT_EQ(object["providers"][1]["usable"], false);
  EXPECT_EQ(object["providers"][1]["places"], Json::array());
}

}  // namespace
}  // namespace longhaul::cli
