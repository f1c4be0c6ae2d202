#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "cli/bench_parts.h"
#include "cli/bench_text.h"
#include "cli/table.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

std::string ms(std::uint64_t us) {
  return us == 0 ? "-" : fmt::format("{:.1f} ms", static_cast<double>(us) * 1e-3);
}

double sum_of_rates(const PathBench& bench) {
  double sum = 0;
  for (const PathFigure& path : bench.paths) sum += path.rate.bytes_per_s();
  return sum;
}

Row row_of(const PathFigure& path) {
  return {printable(path.name),
          format_rate(path.rate.bytes_per_s()),
          ms(path.rtt_us_min),
          ms(path.rtt_us),
          fmt::format("{}", path.streams),
          path.window_bytes_per_s > 0 ? format_rate(path.window_bytes_per_s) : "-",
          format_bytes(path.resent_bytes),
          cpu(path.rate),
          printable(path.congestion)};
}

Json json_of(const PathFigure& path) {
  return {{"name", words(path.name)},
          {"local", words(path.local)},
          {"remote", words(path.remote)},
          {"streams", path.streams},
          {"rate", path.why.empty() ? json_of_rate(path.rate) : Json(nullptr)},
          {"rtt_us_min", path.rtt_us_min},
          {"rtt_us", path.rtt_us},
          {"resent_bytes", path.resent_bytes},
          {"congestion", words_or_null(path.congestion)},
          {"window_bytes_per_s", path.window_bytes_per_s},
          {"why", words_or_null(path.why)}};
}

}  // namespace

std::string words_of(const PathBench& bench) {
  std::string out = fmt::format("each path alone, cipher {}\n", bench.cipher);
  std::vector<Row> rows = {
      {"PATH", "RATE", "RTT LEAST", "RTT AT END", "STREAMS", "WINDOWS ALLOW", "RESENT", "CPU s/GiB", "CONGESTION"}};
  std::string missing;
  for (const PathFigure& path : bench.paths) {
    if (path.why.empty()) rows.push_back(row_of(path));
    if (!path.why.empty()) missing += fmt::format("not measured: {}: {}\n", printable(path.name), printable(path.why));
  }
  out += table_of(rows) + missing;
  if (bench.together)
    out +=
        fmt::format("all together: {}, of {} that they carry one by one; CPU {} s/GiB here\n",
                    format_rate(bench.together->bytes_per_s()), format_rate(sum_of_rates(bench)), cpu(*bench.together));
  return out + hint_lines(bench.hints);
}

std::string json_of(const PathBench& bench, double time_s) {
  Json object = head_of("path", time_s);
  object["cipher"] = words(bench.cipher);
  object["tcp_wmem_max"] = bench.send_window_max;
  object["paths"] = Json::array();
  for (const PathFigure& path : bench.paths) object["paths"].push_back(json_of(path));
  object["sum_bytes_per_s"] = sum_of_rates(bench);
  object["together"] = json_of_rate(bench.together);
  object["hints"] = json_of_hints(bench.hints);
  return line_of(object);
}

std::string words_of(const PathServed& served) {
  return fmt::format("{}, {} received and dropped; the other end shows what was found\n",
                     counted(served.measurements, "measurement", "measurements"), format_bytes(served.bytes)) +
         hint_lines(served.hints);
}

std::string json_of(const PathServed& served, double time_s) {
  Json object = head_of("path", time_s);
  object["measurements"] = served.measurements;
  object["bytes"] = served.bytes;
  object["tcp_rmem_max"] = served.receive_window_max;
  object["hints"] = json_of_hints(served.hints);
  return line_of(object);
}

}  // namespace longhaul::cli
