#include "cli/progress.h"

#include <gtest/gtest.h>

#include "cli/printable.h"

namespace longhaul::cli {
namespace {

Report half_way() {
  Report report;
  report.walk_done = true;
  report.bytes = 400ULL << 20U;
  report.skipped_bytes = 100ULL << 20U;
  report.bytes_found = 1000ULL << 20U;
  report.files = 1000;
  report.skipped_files = 234;
  report.files_found = 5000;
  report.bytes_per_s = 100e6;
  report.eta_s = 5;
  report.verdict = "network";
  report.paths = {{.name = "a",
                   .local = "127.0.0.1",
                   .remote = "127.0.0.2:4711",
                   .streams = 2,
                   .up = true,
                   .bytes = 300ULL << 20U,
                   .bytes_per_s = 75e6},
                  {.name = "fiber2",
                   .local = "",
                   .remote = "10.0.0.2:4711",
                   .streams = 0,
                   .up = false,
                   .bytes = 100ULL << 20U,
                   .bytes_per_s = 0}};
  return report;
}

TEST(ProgressBlock, SaysTotalPathsAndLimit) {
  const auto block = progress_block(half_way(), {160, 24});
  ASSERT_EQ(block.size(), 4U);
  EXPECT_NE(block[0].find(" 50%"), std::string::npos) << block[0];
  EXPECT_NE(block[0].find("1,234 of 5,000 files"), std::string::npos) << block[0];
  EXPECT_NE(block[0].find("ETA 0:05"), std::string::npos) << block[0];
  EXPECT_NE(block[1].find("127.0.0.1 -> 127.0.0.2:4711"), std::string::npos) << block[1];
  EXPECT_NE(block[1].find("2 streams"), std::string::npos) << block[1];
  EXPECT_NE(block[2].find("down"), std::string::npos) << block[2];
  EXPECT_EQ(block[3], "limited by: network");
}

TEST(ProgressBlock, SaysWhichPathIsNotUsed) {
  Report report = half_way();
  report.paths[1].excluded = "the tag 'metered' is forbidden";
  const auto block = progress_block(report, {160, 24});
  EXPECT_NE(block[2].find("not used  the tag 'metered' is forbidden"), std::string::npos) << block[2];
  EXPECT_EQ(block[2].find("down"), std::string::npos) << block[2];
  EXPECT_EQ(progress_line(report).find("fiber2"), std::string::npos) << progress_line(report);
}

TEST(ProgressBlock, ClaimsNoPercentageBeforeTheWalkEnds) {
  Report report = half_way();
  report.walk_done = false;
  report.eta_s = -1;
  const auto block = progress_block(report, {160, 24});
  EXPECT_EQ(block[0].find('%'), std::string::npos) << block[0];
  EXPECT_NE(block[0].find("found so far"), std::string::npos) << block[0];
  EXPECT_NE(block[0].find("--:--"), std::string::npos) << block[0];
}

TEST(ProgressBlock, NeverClaimsMoreThanAll) {
  Report report = half_way();
  report.bytes = report.bytes_found * 2;
  EXPECT_NE(progress_block(report, {160, 24})[0].find("100%"), std::string::npos);
  report.bytes = report.bytes_found - report.skipped_bytes - 1;
  EXPECT_NE(progress_block(report, {160, 24})[0].find(" 99%"), std::string::npos) << "not 100 before the last byte";
  report.bytes_found = report.bytes = report.skipped_bytes = 0;
  EXPECT_EQ(progress_block(report, {160, 24})[0].find('%'), std::string::npos);
}

TEST(ProgressBlock, FitsTheTerminal) {
  Report report = half_way();
  for (int i = 0; i < 30; ++i) report.paths.push_back(report.paths[0]);
  for (const TerminalSize size :
       {TerminalSize{40, 10}, TerminalSize{20, 5}, TerminalSize{200, 24}, TerminalSize{0, 0}}) {
    const auto block = progress_block(report, size);
    EXPECT_LT(block.size(), std::max(size.rows, 5U)) << size.rows;
    for (const std::string& line : block) EXPECT_LT(columns_of(line), std::max(size.columns, 20U)) << line;
  }
}

TEST(ProgressLine, IsOneLine) {
  const std::string line = progress_line(half_way());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(line.starts_with("50%")) << line;
  EXPECT_NE(line.find("fiber2 down"), std::string::npos) << line;
  VerifyReport report;
  report.files = 2;
  report.mismatched = 1;
  EXPECT_NE(verify_line(report).find("1 not equal"), std::string::npos);
}

/// A view that prints into a string, with a clock and a terminal that tests set.
struct Screen {
  std::string text;
  double now_s = 100;
  TerminalSize size{80, 24};

  ProgressView view(ProgressView::Loudness loudness, bool live) {
    return ProgressView({.loudness = loudness,
                         .live = live,
                         .size = [this] { return size; },
                         .now_s = [this] { return now_s; },
                         .print = [this](std::string_view more) { text += more; }});
  }
  std::string taken() { return std::exchange(text, {}); }
};

Event progress_event() {
  Event event;
  event.type = Event::Type::progress;
  event.report = std::make_shared<Report>(half_way());
  return event;
}

Event event_of(Event::Type type, std::string text) {
  Event event;
  event.type = type;
  event.text = std::move(text);
  event.path = "a";
  event.error = {Code::connection, "reset by peer", 0};
  return event;
}

TEST(ProgressView, RedrawsInPlaceAndLeavesNothing) {
  Screen screen;
  ProgressView view = screen.view(ProgressView::Loudness::normal, true);
  view.show(progress_event());
  EXPECT_EQ(screen.taken().find('\x1b'), std::string::npos) << "nothing to take off yet";
  view.show(progress_event());
  EXPECT_TRUE(screen.taken().starts_with("\r\x1b[4A\x1b[J"));
  view.show(event_of(Event::Type::note, "hello \x1b[2J"));
  EXPECT_EQ(screen.taken(), "\r\x1b[4A\x1b[Jlonghaul: hello \\x1b[2J\n");
  view.show(progress_event());
  screen.taken();
  view.clear();
  EXPECT_EQ(screen.taken(), "\r\x1b[4A\x1b[J");
  view.clear();
  EXPECT_EQ(screen.taken(), "");
}

TEST(ProgressView, CountsTheRowsOfANarrowedTerminal) {
  Screen screen;
  ProgressView view = screen.view(ProgressView::Loudness::normal, true);
  view.show(VerifyReport{});
  const unsigned columns = columns_of(screen.taken()) - 1;
  screen.size.columns = columns / 2;
  view.clear();
  EXPECT_EQ(screen.taken(), columns % 2 == 0 ? "\r\x1b[2A\x1b[J" : "\r\x1b[3A\x1b[J");
}

TEST(ProgressView, PlainLinesComeEveryTenSeconds) {
  Screen screen;
  ProgressView view = screen.view(ProgressView::Loudness::normal, false);
  view.show(event_of(Event::Type::start, "sending"));
  EXPECT_EQ(screen.taken(), "longhaul: sending\n");
  unsigned lines = 0;
  for (int second = 0; second < 35; ++second) {
    screen.now_s += 1;
    view.show(progress_event());
    if (!screen.taken().empty()) ++lines;
  }
  EXPECT_EQ(lines, 3U);
}

TEST(ProgressView, IsAsLoudAsAsked) {
  Screen screen;
  ProgressView quiet = screen.view(ProgressView::Loudness::quiet, true);
  quiet.show(progress_event());
  quiet.show(event_of(Event::Type::path_down, ""));
  quiet.say("x");
  quiet.show(VerifyReport{});
  EXPECT_EQ(screen.taken(), "");
  ProgressView normal = screen.view(ProgressView::Loudness::normal, false);
  normal.show(event_of(Event::Type::path_up, ""));
  normal.show(event_of(Event::Type::file_error, ""));
  EXPECT_EQ(screen.taken(), "");
  normal.show(event_of(Event::Type::path_down, ""));
  EXPECT_EQ(screen.taken(), "longhaul: path a is down: reset by peer\n");
  normal.show(event_of(Event::Type::path_degraded, "RTT 20 ms -> 90 ms, within 3 s"));
  EXPECT_EQ(screen.taken(), "longhaul: path a got worse, and is given less: RTT 20 ms -> 90 ms, within 3 s\n");
  ProgressView verbose = screen.view(ProgressView::Loudness::verbose, false);
  verbose.show(event_of(Event::Type::path_up, ""));
  verbose.show(event_of(Event::Type::file_error, ""));
  EXPECT_EQ(screen.taken(), "longhaul: path a is up\nlonghaul: a: reset by peer\n");
}

}  // namespace
}  // namespace longhaul::cli
