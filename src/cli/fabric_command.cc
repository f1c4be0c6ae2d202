#include "cli/fabric_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <vector>

#include "cli/json_text.h"
#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/summary.h"
#include "cli/table.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr std::uint64_t no_limit = std::uint64_t{1} << 50U;  // software providers tell 16 EiB

std::string place_name(const FabricPlace& place) {
  const bool both = !place.device.empty() && !place.address.empty();
  return printable(place.device) + (both ? " " : "") + printable(place.address);
}

std::vector<std::string> memory_words(const FabricMemory& memory) {
  std::vector<std::string> words;
  if (memory.local) words.emplace_back("local");
  if (memory.virtual_addresses) words.emplace_back("virtual-addresses");
  if (memory.allocated) words.emplace_back("allocated");
  if (memory.provider_keys) words.emplace_back("provider-keys");
  if (memory.endpoint) words.emplace_back("endpoint");
  return words;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

Row row_of(const FabricOffer& offer, const FabricPlace& place) {
  return {printable(offer.name),
          printable(place.provider),
          or_dash(printable(place.device)),
          or_dash(printable(place.address)),
          place.remote_data_bytes == 0 ? "none" : fmt::format("{} bytes", place.remote_data_bytes),
          place.manual_progress ? "manual" : "automatic",
          fmt::format("{} of {}", place.depth,
                      place.write_bytes_max < no_limit ? format_bytes(place.write_bytes_max) : "any size"),
          or_dash(fmt::format("{}", fmt::join(memory_words(place.memory), ",")))};
}

Json json_of(const FabricPlace& place) {
  Json object = {{"provider", words(place.provider)},
                 {"device", words_or_null(place.device)},
                 {"address", words_or_null(place.address)},
                 {"remote_data_bytes", place.remote_data_bytes},
                 {"progress", place.manual_progress ? "manual" : "automatic"},
                 {"write_bytes_max", place.write_bytes_max},
                 {"depth", place.depth},
                 {"memory", Json::array()}};
  for (const std::string& word : memory_words(place.memory)) object["memory"].push_back(word);
  return object;
}

/// What was asked for, and is not there.
const FabricOffer* missed(const FabricReport& report) {
  return report.offers.size() == 1 && report.offers[0].places.empty() ? &report.offers[0] : nullptr;
}

}  // namespace

std::string fabrics_text(const FabricReport& report) {
  if (!report.usable) return fmt::format("fabrics: none: {}\n", printable(report.library));
  std::string text = fmt::format("fabrics: {}\n", report.library);
  for (const FabricOffer& offer : report.offers) {
    std::string line = fmt::format("  {}: ", printable(offer.name));
    if (offer.places.empty()) line += "missing: " + printable(offer.why);
    for (std::size_t i = 0; i < offer.places.size(); ++i) line += (i == 0 ? "" : ", ") + place_name(offer.places[i]);
    text += line + "\n";
  }
  return text;
}

std::string probe_text(const FabricReport& report) {
  if (!report.usable) return fabrics_text(report);
  std::vector<Row> rows = {{"NAME", "PROVIDER", "DEVICE", "ADDRESS", "REMOTE DATA", "PROGRESS", "WRITES", "MEMORY"}};
  std::string missing;
  for (const FabricOffer& offer : report.offers) {
    for (const FabricPlace& place : offer.places) rows.push_back(row_of(offer, place));
    if (offer.places.empty()) missing += fmt::format("missing: {}: {}\n", printable(offer.name), printable(offer.why));
  }
  return report.library + "\n" + (rows.size() > 1 ? table_of(rows) : "") + missing;
}

std::string probe_json(const FabricReport& report) {
  Json object = {{"event", "fabrics"},
                 {"usable", report.usable},
                 {"library", words(report.library)},
                 {"providers", Json::array()}};
  for (const FabricOffer& offer : report.offers) {
    Json one = {{"name", words(offer.name)},
                {"usable", !offer.places.empty()},
                {"why", words_or_null(offer.why)},
                {"places", Json::array()}};
    for (const FabricPlace& place : offer.places) one["places"].push_back(json_of(place));
    object["providers"].push_back(std::move(one));
  }
  return line_of(object);
}

ExitCode run_probe(const Command& command) {
  const FabricReport report = probe_fabrics(*command.probe);
  const FabricOffer* wished = missed(report);
  const bool failed = !command.probe->provider.empty() && (!report.usable || wished != nullptr);
  const std::string text = command.json ? probe_json(report) : failed ? "" : probe_text(report);
  if (!write_all(STDOUT_FILENO, text)) return ExitCode::failed;
  if (!failed) return ExitCode::complete;
  const std::string& why = wished == nullptr ? report.library : wished->why;
  const std::string said = fmt::format("no fabric '{}': {}", printable(command.probe->provider), printable(why));
  write_all(STDERR_FILENO, error_line({Code::unsupported, said, 0}));
  return ExitCode::failed;
}

}  // namespace longhaul::cli
