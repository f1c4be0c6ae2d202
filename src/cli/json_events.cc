#include "cli/json_events.h"

#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

Json path_of(const PathReport& path) {
  Json object = {{"name", words(path.name)},    {"bytes", path.bytes}, {"rate", path.bytes_per_s},
                 {"streams", path.streams},     {"up", path.up},       {"local", words(path.local)},
                 {"remote", words(path.remote)}};
  object["wire_bytes"] = path.wire_bytes;
  Json tags = Json::array();
  for (const std::string& tag : path.tags) tags.push_back(words(tag));
  object["tags"] = std::move(tags);
  object["cap_bits_per_s"] = path.cap_bits_per_s == 0 ? Json(nullptr) : Json(path.cap_bits_per_s);
  object["dscp"] = path.dscp < 0 ? Json(nullptr) : Json(path.dscp);
  object["weight"] = path.weight;
  object["cost_per_gb"] = path.cost_per_gb;
  object["cost"] = path.cost;
  object["state"] = path.state;
  object["transport"] = words(path.transport);
  object["rtt_us"] = path.rtt_us;
  object["excluded"] = words_or_null(path.excluded);
  object["streams_why"] = words_or_null(path.streams_why);
  object["congestion"] = words_or_null(path.congestion);
  object["slots"] = words_or_null(path.slots);
  object["degraded"] = path.degraded;
  object["times_degraded"] = path.times_degraded;
  object["evidence"] = words_or_null(path.evidence);
  return object;
}

Json paths_of(const Report& report) {
  Json list = Json::array();
  for (const PathReport& path : report.paths) list.push_back(path_of(path));
  return list;
}

Json limits_of(const Report& report) {
  Json list = Json::array();
  for (const LimitReport& limit : report.limits) list.push_back({{"what", words(limit.what)}, {"share", limit.share}});
  return list;
}

Json stages_of(const Report& report) {
  Json list = Json::array();
  for (const StageReport& stage : report.stages)
    list.push_back({{"name", stage.name}, {"sender_s", stage.sender_s}, {"receiver_s", stage.receiver_s}});
  return list;
}

Json known_eta(const Report& report) {
  return report.eta_s < 0 ? Json(nullptr) : Json(report.eta_s);
}

void put_progress(Json& object, const Report& report) {
  object["transfer"] = report.transfer;
  object["role"] = report.role;
  object["bytes"] = report.bytes;
  object["files"] = report.files;
  object["rate"] = report.bytes_per_s;
  object["eta_s"] = known_eta(report);
  object["bytes_found"] = report.bytes_found;
  object["files_found"] = report.files_found;
  object["walk_done"] = report.walk_done;
  object["skipped_files"] = report.skipped_files;
  object["skipped_bytes"] = report.skipped_bytes;
  object["resent_bytes"] = report.resent_bytes;
  object["failed_files"] = report.failed_files;
  object["paused"] = report.paused;
  object["cap_bits_per_s"] = report.cap_bits_per_s;
  object["schedule"] = words_or_null(report.schedule);
  object["forecast"] = words_or_null(report.forecast);
  object["verdict"] = words(report.verdict);
  object["limits"] = limits_of(report);
  object["cost"] = report.cost;
  object["wire_bytes"] = report.wire_bytes;
  object["paths"] = paths_of(report);
}

void put_totals(Json& object, const Report& report) {
  object["transfer"] = report.transfer;
  object["role"] = report.role;
  object["schedule"] = words_or_null(report.schedule);
  object["forecast"] = words_or_null(report.forecast);
  object["files"] = report.files;
  object["bytes"] = report.bytes;
  object["seconds"] = report.seconds;
  object["rate"] = report.bytes_per_s;
  object["cpu_seconds"] = report.cpu_seconds_sender + report.cpu_seconds_receiver;
  object["cpu_seconds_sender"] = report.cpu_seconds_sender;
  object["cpu_seconds_receiver"] = report.cpu_seconds_receiver;
  object["resent_bytes"] = report.resent_bytes;
  object["skipped_files"] = report.skipped_files;
  object["skipped_bytes"] = report.skipped_bytes;
  object["files_found"] = report.files_found;
  object["bytes_found"] = report.bytes_found;
  object["walk_done"] = report.walk_done;
  object["directories"] = report.directories;
  object["symlinks"] = report.symlinks;
  object["hard_links_made"] = report.linked;
  object["special_files_made"] = report.specials;
  object["failed_files"] = report.failed_files;
  object["hard_links"] = report.hard_links;
  object["sparse_files"] = report.sparse_files;
  object["xattr_files"] = report.xattr_files;
  object["special_files"] = report.special_files;
  object["landing_zones"] = report.landing_zones;
  object["owners_not_kept"] = report.owners_not_kept;
  object["attributes_not_kept"] = report.attributes_not_kept;
  object["modes_not_kept"] = report.modes_not_kept;
  object["left_out"] = report.left_out;
  object["left_alone"] = report.left_alone;
  object["compared_files"] = report.compared_files;
  object["compared_bytes"] = report.compared_bytes;
  object["same_files"] = report.same_files;
  object["deleted_files"] = report.deleted_files;
  object["deleted_directories"] = report.deleted_directories;
  object["deletions_over"] = report.deletions_over;
  object["deletions_held"] = report.deletions_held;
  object["mounts_kept"] = report.mounts_kept;
  object["dry_run"] = report.dry_run;
  object["would_send_files"] = report.would_send_files;
  object["would_send_bytes"] = report.would_send_bytes;
  object["would_change"] = report.would_change;
  object["durability"] = words(report.durability);
  object["cipher"] = words(report.cipher);
  object["compression"] = words_or_null(report.compression);
  object["wire_bytes"] = report.wire_bytes;
  object["packed_frames"] = report.packed_frames;
  object["futile_frames"] = report.futile_frames;
  object["matched_bytes"] = report.matched_bytes;
  object["shared_bytes"] = report.shared_bytes;
  object["streams_chosen"] = words(report.streams_chosen);
  object["verdict"] = words(report.verdict);
  object["limits"] = limits_of(report);
  object["stages"] = stages_of(report);
  object["cost"] = report.cost;
  object["paths"] = paths_of(report);
  object["errors"] = errors_of(report.errors);
}

void put_outcome(Json& object, const Outcome& outcome, ExitCode exit_code) {
  object["ok"] = outcome.ok;
  object["exit_code"] = static_cast<int>(exit_code);
  if (!outcome.ok) object["error"] = error_of(outcome.error);
  put_totals(object, outcome.report);
}

void put_counts(Json& object, const VerifyReport& report) {
  object["files"] = report.files;
  object["bytes"] = report.bytes;
  object["seconds"] = report.seconds;
  object["mismatched"] = report.mismatched;
  object["missing"] = report.missing;
  object["changed"] = report.changed;
  object["unreadable"] = report.unreadable;
  object["without_digest"] = report.without_digest;
}

Json manifest_of(const ManifestSummary& manifest) {
  Json object = Json::object();
  put_manifest(object, manifest);
  return object;
}

void put_verified(Json& object, const VerifyReport& report, const Error* failure, ExitCode exit_code) {
  object["ok"] = exit_code == ExitCode::complete;
  object["exit_code"] = static_cast<int>(exit_code);
  if (failure != nullptr) object["error"] = error_of(*failure);
  put_counts(object, report);
  object["manifest"] = report.manifest.root.empty() ? Json(nullptr) : manifest_of(report.manifest);
  Json extra = Json::array();
  for (const std::string& path : report.extra) {
    Json its = Json::object();
    put_name(its, "path", path);
    extra.push_back(std::move(its));
  }
  object["extra"] = std::move(extra);
  object["errors"] = errors_of(report.errors);
}

const char* name_of_type(Event::Type type) {
  switch (type) {
    case Event::Type::ticket:
      return "ticket";
    case Event::Type::start:
      return "start";
    case Event::Type::progress:
      return "progress";
    case Event::Type::path_up:
      return "path_up";
    case Event::Type::path_down:
      return "path_down";
    case Event::Type::path_degraded:
      return "path_degraded";
    case Event::Type::path_recovered:
      return "path_recovered";
    case Event::Type::file_durable:
      return "file_durable";
    case Event::Type::file_error:
      return "file_error";
    case Event::Type::deleted:
      return "deleted";
    case Event::Type::would:
      return "would";
    case Event::Type::note:
      return "note";
    case Event::Type::done:
      return "done";
  }
  return "note";
}

bool is_about_path(Event::Type type) {
  return type == Event::Type::path_up || type == Event::Type::path_down || type == Event::Type::path_degraded ||
         type == Event::Type::path_recovered;
}

Json document(const std::string& command, double time_s) {
  return Json{{"command", command}, {"version", LONGHAUL_VERSION}, {"time", time_s}};
}

std::string document_text(const Json& object) {
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string event_json(const Event& event, double time_s) {
  Json object = head(name_of_type(event.type), time_s);
  if (event.type == Event::Type::file_error) {
    object.update(file_error_of({event.path, event.error}));
    return line_of(object);
  }
  if (is_about_path(event.type)) object["name"] = words(event.path);
  const bool names = event.type == Event::Type::file_durable || event.type == Event::Type::deleted;
  if (names) put_name(object, "path", event.path);
  if (event.type == Event::Type::would) {
    object["what"] = words(event.text);
    put_name(object, "path", event.path);
    return line_of(object);
  }
  if (event.type == Event::Type::path_down) object["error"] = error_of(event.error);
  if (event.type != Event::Type::progress && !event.text.empty()) object["text"] = words(event.text);
  if (event.report != nullptr) put_progress(object, *event.report);
  return line_of(object);
}

std::string ticket_json(const std::string& ticket, double time_s) {
  Json object = head("ticket", time_s);
  object["ticket"] = ticket;
  return line_of(object);
}

std::string identity_json(const std::string& fingerprint, const std::string& file) {
  Json object = Json::object();
  object["event"] = "identity";
  object["fingerprint"] = fingerprint;
  put_name(object, "file", file);
  return line_of(object);
}

std::string trusted_json(const TrustedPeer& peer) {
  Json object = Json::object();
  object["event"] = "trusted";
  object["name"] = peer.name;
  object["fingerprint"] = peer.fingerprint;
  object["addresses"] = peer.addresses;
  return line_of(object);
}

std::string report_json(const Report& report) {
  Json object = Json::object();
  put_progress(object, report);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string done_json(const Outcome& outcome, ExitCode exit_code, double time_s) {
  Json object = head("done", time_s);
  put_outcome(object, outcome, exit_code);
  return line_of(object);
}

std::string verify_start_json(const std::string& directory, double time_s) {
  Json object = head("start", time_s);
  put_name(object, "directory", directory);
  return line_of(object);
}

std::string verify_progress_json(const VerifyReport& report, double time_s) {
  Json object = head("progress", time_s);
  put_counts(object, report);
  return line_of(object);
}

std::string verify_error_json(const FileError& error, double time_s) {
  return event_json(
      {.type = Event::Type::file_error, .text = {}, .path = error.path, .error = error.error, .report = {}}, time_s);
}

std::string verify_done_json(const VerifyReport& report, const Error* failure, ExitCode exit_code, double time_s) {
  Json object = head("done", time_s);
  put_verified(object, report, failure, exit_code);
  return line_of(object);
}

std::string version_json(const std::string& text) {
  return line_of(Json{{"event", "version"}, {"version", LONGHAUL_VERSION}, {"text", words(text)}});
}

std::string report_document(const Outcome& outcome, ExitCode exit_code, const std::string& command, double time_s) {
  Json object = document(command, time_s);
  put_outcome(object, outcome, exit_code);
  return document_text(object);
}

std::string verify_document(const VerifyReport& report, const Error* failure, ExitCode exit_code, double time_s) {
  Json object = document("verify", time_s);
  put_verified(object, report, failure, exit_code);
  return document_text(object);
}

}  // namespace longhaul::cli
