#include "cli/identity_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "cli/printable.h"
#include "cli/secret_file.h"
#include "longhaul/identity.h"

namespace longhaul::cli {
namespace {

namespace fs = std::filesystem;

/// Absolute, or as good as not set: the XDG specification's rule.
std::string directory_in(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value == '/' ? value : "";
}

Result<std::string> make_identity(const std::string& file, bool replace) {
  if (Result<> made = make_directory_of(file); !made) return std::unexpected(made.error());
  std::string pem = new_identity();
  const Result<> written = write_secret_file(file, pem, replace);
  if (written) return pem;
  if (!replace && written.error().system_errno == EEXIST) return read_secret_file(file);  // another was faster
  return fail(written.error().code, fmt::format("cannot write the key '{}': {}", printable(file), written.error().text),
              written.error().system_errno);
}

}  // namespace

std::string usual_identity_file() {
  if (const std::string config = directory_in("XDG_CONFIG_HOME"); !config.empty()) return config + "/longhaul/identity";
  if (const std::string home = directory_in("HOME"); !home.empty()) return home + "/.config/longhaul/identity";
  return {};
}

Result<> make_directory_of(const std::string& file) {
  const fs::path directory = fs::path(file).parent_path();
  if (directory.empty()) return {};
  std::error_code error;
  fs::create_directories(directory.parent_path(), error);
  if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail_errno(errno, fmt::format("cannot make the directory '{}'", printable(directory.string())));
}

Result<std::string> load_or_make_identity(const std::string& file) {
  Result<std::string> pem = read_secret_file(file);
  if (!pem && pem.error().code == Code::not_found) pem = make_identity(file, false);
  if (!pem) return pem;
  if (const auto usable = fingerprint_of_identity(*pem); !usable)
    return fail(Code::usage, fmt::format("'{}' is no identity: {}; 'longhaul keygen --force' makes a new one",
                                         printable(file), usable.error().text));
  return pem;
}

Result<std::string> replace_identity(const std::string& file) {
  return make_identity(file, true);
}

}  // namespace longhaul::cli
