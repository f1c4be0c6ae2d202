#include "cli/json_events.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace longhaul::cli {
namespace {

using Json = nlohmann::json;

Json parsed(const std::string& line) {
  EXPECT_TRUE(line.ends_with("\n"));
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one object, one line";
  return Json::parse(line);
}

Report some_report() {
  Report report;
  report.transfer = "00ff";
  report.role = "sender";
  report.files = 3;
  report.bytes = 1ULL << 53U;
  report.skipped_files = 2;
  report.resent_bytes = 77;
  report.seconds = 2.5;
  report.cpu_seconds_sender = 1.25;
  report.cpu_seconds_receiver = 0.5;
  report.bytes_per_s = 1000;
  report.durability = "fsync";
  report.cipher = "aes-256-gcm";
  report.compression = "zstd:3";
  report.wire_bytes = 43;
  report.packed_frames = 5;
  report.futile_frames = 2;
  report.matched_bytes = 77;
  report.shared_bytes = 66;
  report.compared_files = 9;
  report.compared_bytes = 900;
  report.same_files = 8;
  report.verdict = "network";
  report.limits = {{"path a (cap 50 Mb/s)", 0.75}, {"source\x1bread", 0.25}};
  report.stages = {{"read", 1.5, 0}, {"wait_send", 2, 0.25}};
  report.paths = {{.name = "a",
                   .local = "127.0.0.1:1",
                   .remote = "127.0.0.2:2",
                   .streams = 4,
                   .up = true,
                   .bytes = 60,
                   .wire_bytes = 26,
                   .bytes_per_s = 6},
                  {.name = "b", .local = "", .remote = "", .streams = 0, .up = false, .bytes = 40, .bytes_per_s = 4}};
  return report;
}

TEST(JsonEvents, ProgressHasWhatADashboardNeeds) {
  Event event;
  event.type = Event::Type::progress;
  event.report = std::make_shared<Report>(some_report());
  Json json = parsed(event_json(event, 12.5));
  EXPECT_EQ(json["event"], "progress");
  EXPECT_EQ(json["time"], 12.5);
  EXPECT_EQ(json["bytes"], 1ULL << 53U);
  EXPECT_EQ(json["files"], 3);
  EXPECT_EQ(json["rate"], 1000);
  EXPECT_TRUE(json["eta_s"].is_null()) << "not known yet";
  EXPECT_EQ(json["verdict"], "network");
  ASSERT_EQ(json["limits"].size(), 2U);
  EXPECT_EQ(json["limits"][0]["what"], "path a (cap 50 Mb/s)");
  EXPECT_EQ(json["limits"][0]["share"], 0.75);
  EXPECT_FALSE(json.contains("stages")) << "only at the end";
  ASSERT_EQ(json["paths"].size(), 2U);
  EXPECT_EQ(json["paths"][0]["name"], "a");
  EXPECT_EQ(json["paths"][0]["bytes"], 60);
  EXPECT_EQ(json["paths"][0]["rate"], 6);
  EXPECT_EQ(json["paths"][1]["up"], false);
}

TEST(JsonEvents, DoneSaysWhereTheTimeWent) {
  const Json json = parsed(done_json({.ok = true, .error = {}, .report = some_report()}, ExitCode::complete, 3));
  ASSERT_EQ(json["stages"].size(), 2U);
  EXPECT_EQ(json["stages"][1]["name"], "wait_send");
  EXPECT_EQ(json["stages"][1]["sender_s"], 2);
  EXPECT_EQ(json["stages"][1]["receiver_s"], 0.25);
  EXPECT_EQ(json["limits"].size(), 2U);
}

TEST(JsonEvents, PathsCarryTheirTermsAndTheAudit) {
  Report report = some_report();
  report.paths[0].tags = {"us", "fiber"};
  report.paths[0].cap_bits_per_s = 2'000'000'000;
  report.paths[0].dscp = 0;
  report.paths[0].transport = "fabric:verbs";
  report.paths[0].slots = "16 of 256 KiB, 8 for a stream";
  report.paths[0].weight = 0.5;
  report.paths[0].cost_per_gb = 0.02;
  report.paths[0].cost = 1.25;
  report.paths[1].excluded = "the tag 'metered' is forbidden";
  report.cost = 1.25;
  const Json json = parsed(done_json({.ok = true, .error = {}, .report = report}, ExitCode::complete, 1));
  const Json& a = json["paths"][0];
  EXPECT_EQ(a["tags"], (std::vector<std::string>{"us", "fiber"}));
  EXPECT_EQ(a["cap_bits_per_s"], 2'000'000'000);
  EXPECT_EQ(a["transport"], "fabric:verbs");
  EXPECT_EQ(a["slots"], "16 of 256 KiB, 8 for a stream");
  EXPECT_EQ(a["dscp"], 0) << "a mark of zero was asked for";
  EXPECT_EQ(a["weight"], 0.5);
  EXPECT_EQ(a["cost_per_gb"], 0.02);
  EXPECT_EQ(a["cost"], 1.25);
  EXPECT_TRUE(a["excluded"].is_null());
  const Json& b = json["paths"][1];
  EXPECT_EQ(b["excluded"], "the tag 'metered' is forbidden");
  EXPECT_TRUE(b["cap_bits_per_s"].is_null());
  EXPECT_TRUE(b["dscp"].is_null());
  EXPECT_EQ(b["tags"], Json::array());
  EXPECT_EQ(json["cost"], 1.25);
}

TEST(JsonEvents, DoneHasTheWholeReport) {
  Outcome outcome{.ok = true, .error = {}, .report = some_report()};
  outcome.report.failed_files = 1;
  outcome.report.errors = {{"dir/x", {Code::source_changed, "it changed", 0}}};
  Json json = parsed(done_json(outcome, exit_code_of(outcome), 1));
  EXPECT_EQ(json["event"], "done");
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["files"], 3);
  EXPECT_EQ(json["seconds"], 2.5);
  EXPECT_EQ(json["cpu_seconds"], 1.75);
  EXPECT_EQ(json["cpu_seconds_sender"], 1.25);
  EXPECT_EQ(json["cpu_seconds_receiver"], 0.5);
  EXPECT_EQ(json["resent_bytes"], 77);
  EXPECT_EQ(json["skipped_files"], 2);
  EXPECT_EQ(json["durability"], "fsync");
  EXPECT_EQ(json["cipher"], "aes-256-gcm");
  EXPECT_EQ(json["compression"], "zstd:3");
  EXPECT_EQ(json["wire_bytes"], 43);
  EXPECT_EQ(json["packed_frames"], 5);
  EXPECT_EQ(json["futile_frames"], 2);
  EXPECT_EQ(json["matched_bytes"], 77);
  EXPECT_EQ(json["shared_bytes"], 66);
  EXPECT_EQ(json["compared_files"], 9);
  EXPECT_EQ(json["compared_bytes"], 900);
  EXPECT_EQ(json["same_files"], 8);
  EXPECT_EQ(json["paths"][0]["wire_bytes"], 26);
  EXPECT_EQ(json["paths"][1]["rate"], 4);
  EXPECT_EQ(json["errors"][0]["path"], "dir/x");
  EXPECT_EQ(json["errors"][0]["code"], "source_changed");
  EXPECT_FALSE(json.contains("error"));
}

TEST(JsonEvents, DoneSaysWhyItFailed) {
  const Outcome outcome{.ok = false, .error = {Code::no_space, "target full", 28}, .report = {}};
  Json json = parsed(done_json(outcome, exit_code_of(outcome), 1));
  EXPECT_EQ(json["exit_code"], 6);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["error"]["code"], "no_space");
  EXPECT_EQ(json["error"]["errno"], 28);
}

TEST(JsonEvents, NamesOfAnyBytesComeBack) {
  Event event;
  event.type = Event::Type::file_error;
  event.error = {Code::io, "cannot read a\xff: EIO", 5};
  event.path = "a\xff\\b";
  Json json = parsed(event_json(event, 1));
  EXPECT_EQ(json["event"], "file_error");
  EXPECT_EQ(json["path"], "a\\xff\\x5cb");
  EXPECT_EQ(json["path_bytes_hex"], "61ff5c62");
  EXPECT_EQ(json["text"], "cannot read a\\xff: EIO");
  event.path = "d\xc3\xa9j\xc3\xa0\\\n\"";
  json = parsed(event_json(event, 1));
  EXPECT_EQ(json["path"], event.path);
  EXPECT_FALSE(json.contains("path_bytes_hex"));
}

TEST(JsonEvents, ADurableFileIsNamedByteByByte) {
  const Json json = parsed(
      event_json({.type = Event::Type::file_durable, .text = {}, .path = "d/a\xff", .error = {}, .report = {}}, 1));
  EXPECT_EQ(json["event"], "file_durable");
  EXPECT_EQ(json["path"], "d/a\\xff");
  EXPECT_EQ(json["path_bytes_hex"], "642f61ff");
}

TEST(JsonEvents, NameWhatIsDeletedAndWhatWouldBecomeOfNames) {
  Json json =
      Json::parse(event_json({.type = Event::Type::deleted, .text = {}, .path = "d/", .error = {}, .report = {}}, 1));
  EXPECT_EQ(json["event"], "deleted");
  EXPECT_EQ(json["path"], "d/");
  json = Json::parse(
      event_json({.type = Event::Type::would, .text = "properties", .path = "a\xff", .error = {}, .report = {}}, 1));
  EXPECT_EQ(json["event"], "would");
  EXPECT_EQ(json["what"], "properties");
  EXPECT_EQ(json["path_bytes_hex"], "61ff");
  EXPECT_FALSE(json.contains("text"));
}

TEST(JsonEvents, PathsStartNoteAndTicket) {
  Event event;
  event.type = Event::Type::path_down;
  event.path = "b";
  event.error = {Code::connection, "reset", 104};
  Json json = parsed(event_json(event, 1));
  EXPECT_EQ(json["event"], "path_down");
  EXPECT_EQ(json["name"], "b");
  EXPECT_EQ(json["error"]["text"], "reset");
  event.type = Event::Type::path_up;
  EXPECT_EQ(parsed(event_json(event, 1))["event"], "path_up");
  event.type = Event::Type::path_degraded;
  event.text = "retransmits 0 % -> 2.3 %, within 2.5 s";
  json = parsed(event_json(event, 1));
  EXPECT_EQ(json["event"], "path_degraded");
  EXPECT_EQ(json["name"], "b");
  EXPECT_EQ(json["text"], event.text);
  EXPECT_FALSE(json.contains("error"));
  event.type = Event::Type::path_recovered;
  EXPECT_EQ(parsed(event_json(event, 1))["event"], "path_recovered");
  EXPECT_EQ(parsed(event_json({.type = Event::Type::start,
                               .text = {},
                               .path = {},
                               .error = {},
                               .report = std::make_shared<Report>(some_report())},
                              1))["transfer"],
            "00ff");
  EXPECT_EQ(
      parsed(event_json({.type = Event::Type::note, .text = "hm", .path = {}, .error = {}, .report = {}}, 1))["text"],
      "hm");
  EXPECT_EQ(parsed(ticket_json("longhaul://x#y", 1))["ticket"], "longhaul://x#y");
}

TEST(JsonEvents, Verify) {
  VerifyReport report;
  report.files = 9;
  report.mismatched = 1;
  report.without_digest = 2;
  report.errors = {{"x\xff", {Code::corrupt, "differs", 0}}};
  EXPECT_EQ(parsed(verify_start_json("/d", 1))["directory"], "/d");
  EXPECT_EQ(parsed(verify_progress_json(report, 1))["files"], 9);
  EXPECT_EQ(parsed(verify_error_json(report.errors[0], 1))["path_bytes_hex"], "78ff");
  const Json done = parsed(verify_done_json(report, nullptr, exit_code_of(report), 1));
  EXPECT_EQ(done["exit_code"], 4);
  EXPECT_EQ(done["mismatched"], 1);
  EXPECT_EQ(done["without_digest"], 2);
  EXPECT_EQ(done["errors"][0]["code"], "corrupt");
  const Error failure{Code::not_found, "no manifest", 0};
  EXPECT_EQ(parsed(verify_done_json({}, &failure, ExitCode::failed, 1))["error"]["text"], "no manifest");
}

TEST(JsonEvents, ReportDocuments) {
  const Outcome outcome{.ok = true, .error = {}, .report = some_report()};
  const Json json = Json::parse(report_document(outcome, ExitCode::complete, "copy", 1));
  EXPECT_EQ(json["command"], "copy");
  EXPECT_EQ(json["exit_code"], 0);
  EXPECT_EQ(json["paths"].size(), 2U);
  EXPECT_EQ(Json::parse(verify_document({}, nullptr, ExitCode::complete, 1))["command"], "verify");
  EXPECT_EQ(Json::parse(version_json("v\n"))["text"], "v\n");
}

}  // namespace
}  // namespace longhaul::cli
