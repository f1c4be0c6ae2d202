// `--paths FILE`: paths and policy in TOML. One [[path]] table for each path, with the keys of --path; beside them, for
// the whole transfer, `require`, `forbid`, `cap` and `streams`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::cli {

struct PathsFile {
  std::vector<PathOptions> paths;
  std::vector<std::string> require;
  std::vector<std::string> forbid;
  std::optional<std::uint64_t> cap_bits_per_s;
  std::optional<unsigned> streams;  ///< 0: auto
};

/// Reads and checks `file`. Errors (Code::usage) name the file, the line and the key.
[[nodiscard]] Result<PathsFile> read_paths_file(const std::string& file);
/// The same of a text that came from `file`.
[[nodiscard]] Result<PathsFile> parse_paths_file(std::string_view text, const std::string& file);

}  // namespace longhaul::cli
