#include "cli/bench_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "cli/bench_parts.h"
#include "cli/json_text.h"
#include "cli/printable.h"
#include "cli/table.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

// --- disk ------------------------------------------------------------------------------------------------------------

using Ability = std::pair<const char*, bool DiskAbilities::*>;
constexpr std::array abilities = {Ability{"O_DIRECT", &DiskAbilities::direct},
                                  Ability{"fallocate", &DiskAbilities::allocate},
                                  Ability{"holes", &DiskAbilities::holes}, Ability{"reflink", &DiskAbilities::reflink},
                                  Ability{"files without a name (O_TMPFILE)", &DiskAbilities::unnamed}};

std::string abilities_line(const DiskAbilities& can) {
  std::string has;
  std::string lacks;
  for (const auto& [name, ability] : abilities) {
    std::string& list = can.*ability ? has : lacks;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  const bool both = !has.empty() && !lacks.empty();
  return fmt::format("{}{}{}{}\n", has.empty() ? "" : "has " + has, both ? "; " : "", lacks.empty() ? "" : "has not ",
                     lacks);
}

std::string small_files_line(const SmallFiles& small) {
  constexpr double ms = 1e3;
  return fmt::format(
      "small files: {} per second, one after the other ({} each: create, write, fsync, rename; median {:.2f} ms, "
      "slowest {:.2f} ms)\n",
      grouped(static_cast<std::uint64_t>(std::llround(small.per_s))), format_bytes(small.bytes_each),
      small.median_s * ms, small.slowest_s * ms);
}

void add_rate(std::vector<Row>& rows, const char* what, const std::optional<BenchRate>& rate, const std::string& how) {
  if (!rate) return;
  rows.push_back({what, format_bytes(rate->bytes), fmt::format("{:.2f}", rate->seconds),
                  format_rate(rate->bytes_per_s()), cpu(*rate), how});
}

Json json_of(const DiskAbilities& can) {
  return {{"in_memory", can.in_memory}, {"direct", can.direct},   {"fallocate", can.allocate},
          {"holes", can.holes},         {"reflink", can.reflink}, {"unnamed", can.unnamed}};
}

Json json_of(const SmallFiles& small) {
  return {{"files", small.files},
          {"bytes_each", small.bytes_each},
          {"per_s", small.per_s},
          {"median_s", small.median_s},
          {"slowest_s", small.slowest_s}};
}

}  // namespace

std::string words_of(const HashBench& bench) {
  std::string out = cores(bench.cores) + (bench.instructions.empty() ? "" : ": " + bench.instructions) + "\n";
  std::vector<Row> rows = {{"WHAT", "BY", "ONE CORE", "CPU s/GiB", "ALL CORES", "CPU s/GiB"}};
  for (const HashFigure& figure : bench.figures)
    rows.push_back({figure.what, figure.implementation, format_rate(figure.one.bytes_per_s()), cpu(figure.one),
                    format_rate(figure.all.bytes_per_s()), cpu(figure.all)});
  return out + table_of(rows) + hint_lines(bench.hints);
}

std::string json_of(const HashBench& bench, double time_s) {
  Json object = head_of("hash", time_s);
  object["cores"] = bench.cores;
  object["instructions"] = words_or_null(bench.instructions);
  object["figures"] = Json::array();
  for (const HashFigure& figure : bench.figures)
    object["figures"].push_back({{"what", figure.what},
                                 {"implementation", figure.implementation},
                                 {"one", json_of_rate(figure.one)},
                                 {"all", json_of_rate(figure.all)}});
  object["hints"] = json_of_hints(bench.hints);
  return line_of(object);
}

std::string words_of(const DiskBench& bench) {
  std::string out;
  if (bench.can)
    out = fmt::format("{} of {} free; {}\n", format_bytes(bench.free_bytes), format_bytes(bench.total_bytes),
                      printable(bench.io));
  std::vector<Row> rows = {{"WHAT", "BYTES", "SECONDS", "RATE", "CPU s/GiB", ""}};
  add_rate(rows, "write", bench.write, "before it is synced");
  if (bench.write) rows.push_back({"sync", "", fmt::format("{:.2f}", bench.sync_s), "", "", "the one behind it"});
  add_rate(rows, "durable", bench.durable, "write and sync");
  add_rate(rows, "read", bench.read, bench.read_direct ? "past the page cache" : "perhaps from memory");
  out += table_of(rows);
  if (bench.small) out += small_files_line(*bench.small);
  if (bench.can) out += abilities_line(*bench.can);
  return out + hint_lines(bench.hints);
}

std::string json_of(const DiskBench& bench, double time_s) {
  Json object = head_of("disk", time_s);
  object["io"] = words(bench.io);
  object["free_bytes"] = bench.free_bytes;
  object["total_bytes"] = bench.total_bytes;
  object["can"] = bench.can ? json_of(*bench.can) : Json(nullptr);
  object["write"] = json_of_rate(bench.write);
  object["sync_seconds"] = bench.write ? Json(bench.sync_s) : Json(nullptr);
  object["durable"] = json_of_rate(bench.durable);
  object["read"] = json_of_rate(bench.read);
  object["read_direct"] = bench.read_direct;
  object["small_files"] = bench.small ? json_of(*bench.small) : Json(nullptr);
  object["hints"] = json_of_hints(bench.hints);
  return line_of(object);
}

std::string words_of(const WireBench& bench) {
  std::string out = fmt::format("{} over loopback, {}, both ends here\n", counted(bench.streams, "stream", "streams"),
                                cores(bench.cores));
  std::vector<Row> rows = {{"CIPHER", "CONGESTION", "RATE", "CPU s/GiB", ""}};
  for (const WireFigure& figure : bench.figures)
    rows.push_back({std::string(name_of(figure.cipher)), printable(figure.congestion),
                    format_rate(figure.rate.bytes_per_s()), cpu(figure.rate),
                    figure.congestion == bench.system_congestion ? "the system's" : ""});
  return out + table_of(rows) + hint_lines(bench.hints);
}

std::string json_of(const WireBench& bench, double time_s) {
  Json object = head_of("wire", time_s);
  object["streams"] = bench.streams;
  object["cores"] = bench.cores;
  object["system_congestion"] = words_or_null(bench.system_congestion);
  object["tcp_wmem_max"] = bench.send_window_max;
  object["tcp_rmem_max"] = bench.receive_window_max;
  object["figures"] = Json::array();
  for (const WireFigure& figure : bench.figures)
    object["figures"].push_back({{"cipher", name_of(figure.cipher)},
                                 {"congestion", words(figure.congestion)},
                                 {"rate", json_of_rate(figure.rate)}});
  object["hints"] = json_of_hints(bench.hints);
  return line_of(object);
}

}  // namespace longhaul::cli
