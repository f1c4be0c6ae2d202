// What all JSON of the program has in common: names of any bytes, words, errors. Lines are valid UTF-8.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/printable.h"
#include "longhaul/manifest.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

using Json = nlohmann::ordered_json;

/// A name that a program may want back byte by byte.
inline void put_name(Json& object, const std::string& key, const std::string& bytes) {
  if (is_utf8(bytes)) {
    object[key] = bytes;
    return;
  }
  object[key] = escaped_utf8(bytes);
  object[key + "_bytes_hex"] = hex_of(bytes);
}

/// Words for people, which may quote a name.
inline std::string words(const std::string& text) {
  return is_utf8(text) ? text : escaped_utf8(text);
}

inline Json words_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(words(text));
}

inline Json head(const char* event, double time_s) {
  return Json{{"event", event}, {"time", time_s}};
}

inline std::string line_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

inline Json error_of(const Error& error) {
  Json object = {{"code", name_of(error.code)}, {"text", words(error.text)}};
  if (error.system_errno != 0) object["errno"] = error.system_errno;
  return object;
}

inline Json file_error_of(const FileError& file_error) {
  Json object = Json::object();
  put_name(object, "path", file_error.path);
  object.update(error_of(file_error.error));
  return object;
}

inline Json errors_of(const std::vector<FileError>& errors) {
  Json list = Json::array();
  for (const FileError& file_error : errors) list.push_back(file_error_of(file_error));
  return list;
}

/// Its figures, as fields of `object`.
inline void put_manifest(Json& object, const ManifestSummary& manifest) {
  object["files"] = manifest.files;
  object["bytes"] = manifest.bytes;
  object["root"] = manifest.root;
  object["sha256_root"] = words_or_null(manifest.sha256_root);
  object["signer"] = words_or_null(manifest.signer);
}

}  // namespace longhaul::cli
