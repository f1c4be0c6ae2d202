#include "cli/plan_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/sources.h"
#include "cli/summary.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t errors_shown = 20;

std::string text_of(const std::string& text) {
  return is_utf8(text) ? text : escaped_utf8(text);
}

Result<std::map<std::string, double>> read_rates(const std::string& file) {
  if (file.empty()) return std::map<std::string, double>();
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.good() && text.empty())
    return fail(Code::usage, fmt::format("--rates: cannot read '{}': {}", printable(file), std::strerror(errno)));
  auto rates = rates_of_report(text);
  if (!rates) return fail(Code::usage, fmt::format("--rates: '{}' {}", printable(file), rates.error().text));
  return rates;
}

std::string path_line(const PlannedPath& path) {
  const std::string name = printable(path.name);
  if (!path.excluded.empty()) return fmt::format("  path {}: not used: {}\n", name, printable(path.excluded));
  if (path.bytes_per_s <= 0) {
    return fmt::format(
        "  path {}: its rate is not known: give it a cap=, or --rates with the report of an earlier "
        "transfer\n",
        name);
  }
  if (path.bytes == 0) return fmt::format("  path {}: not needed\n", name);
  return fmt::format("  path {}: {} at {}{}\n", name, format_bytes(path.bytes), format_rate(path.rate),
                     path.cost > 0 ? ", cost " + format_money(path.cost) : "");
}

ExitCode failed(const Error& error) {
  write_all(STDERR_FILENO, error_line(error));
  return exit_code_of(error.code);
}

}  // namespace

Result<std::map<std::string, double>> rates_of_report(std::string_view text) {
  const auto no_report = [] { return fail(Code::usage, "is not what --report writes"); };
  const Json report = Json::parse(text, nullptr, false);
  if (!report.is_object() || !report.contains("paths") || !report["paths"].is_array()) return no_report();
  std::map<std::string, double> rates;
  for (const Json& path : report["paths"]) {
    if (!path.is_object() || !path.contains("name") || !path["name"].is_string() || !path.contains("rate") ||
        !path["rate"].is_number())
      return no_report();
    const double rate = path["rate"].get<double>();
    if (rate > 0) rates[path["name"].get<std::string>()] = rate;
  }
  return rates;
}

std::string words_of(const TransferPlan& plan) {
  std::string out = fmt::format("longhaul: {}, {}, {}, {}; nothing was sent\n", counted(plan.files, "file", "files"),
                                format_bytes(plan.bytes), counted(plan.directories, "directory", "directories"),
                                counted(plan.symlinks, "symlink", "symlinks"));
  for (const PlannedPath& path : plan.paths) out += path_line(path);
  if (plan.seconds >= 0) out += fmt::format("  time: {}\n", format_duration(plan.seconds));
  if (plan.cost > 0) out += fmt::format("  cost: {}\n", format_money(plan.cost));
  if (!plan.forecast.empty()) out += fmt::format("  {}\n", printable(plan.forecast));
  if (plan.failed == 0) return out;
  out += fmt::format("  cannot be looked at: {}\n", counted(plan.failed, "source", "sources"));
  for (std::size_t i = 0; i < plan.errors.size() && i < errors_shown; ++i)
    out += fmt::format("    {}\n", printable(plan.errors[i].error.text));
  return out;
}

std::string json_of(const TransferPlan& plan) {
  Json object = {{"event", "plan"},           {"files", plan.files},
                 {"bytes", plan.bytes},       {"directories", plan.directories},
                 {"symlinks", plan.symlinks}, {"failed_files", plan.failed}};
  object["seconds"] = plan.seconds < 0 ? Json(nullptr) : Json(plan.seconds);
  object["cost"] = plan.cost;
  object["feasible"] = plan.feasible;
  object["rates_known"] = plan.rates_known;
  object["forecast"] = plan.forecast.empty() ? Json(nullptr) : Json(plan.forecast);
  Json paths = Json::array();
  for (const PlannedPath& path : plan.paths) {
    Json its = {{"name", text_of(path.name)}, {"bytes", path.bytes}, {"rate", path.rate}, {"cost", path.cost}};
    its["able"] = path.bytes_per_s > 0 ? Json(path.bytes_per_s) : Json(nullptr);
    its["excluded"] = path.excluded.empty() ? Json(nullptr) : Json(text_of(path.excluded));
    paths.push_back(std::move(its));
  }
  object["paths"] = std::move(paths);
  Json errors = Json::array();
  for (const FileError& each : plan.errors)
    errors.push_back({{"code", name_of(each.error.code)}, {"text", text_of(each.error.text)}});
  object["errors"] = std::move(errors);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

ExitCode run_plan(const Command& command, StopFlag& stop) {
  const auto rates = read_rates(command.rates_file);
  if (!rates) return failed(rates.error());
  auto source = source_of(command);
  if (!source) return failed(source.error());
  const auto progress = [&](const TransferPlan& so_far) {
    if (command.quiet || command.json || !stderr_is_live()) return;
    write_all(STDERR_FILENO, fmt::format("longhaul: {}, {} found so far\n", counted(so_far.files, "file", "files"),
                                         format_bytes(so_far.bytes)));
  };
  const auto made = plan(*std::move(source), command.engine, *rates, progress, &stop);
  if (!made) return failed(made.error());
  if (!write_all(STDOUT_FILENO, command.json ? json_of(*made) : words_of(*made))) return ExitCode::failed;
  return made->failed > 0 ? ExitCode::incomplete : ExitCode::complete;
}

}  // namespace longhaul::cli
