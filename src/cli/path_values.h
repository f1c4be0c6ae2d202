// What one path may be told, key by key: `--path` and the [[path]] tables of `--paths` share it. Errors are
// Code::usage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::cli {

/// The keys, in the order in which help names them.
[[nodiscard]] const std::vector<std::string>& path_keys();

/// Sets what `key` stands for. The words of an error begin with the key; one that is unknown gets the nearest one
/// named.
[[nodiscard]] Result<> set_path_key(PathOptions& path, const std::string& key, std::string_view value);

/// "name=a,local=10.0.0.1,remote=10.0.0.2:4711,cap=2Gbps,tags=us+fiber"; every key is optional, each stands once.
[[nodiscard]] Result<PathOptions> parse_path(std::string_view text);
/// All --path values; `check_paths` looks at them together.
[[nodiscard]] Result<std::vector<PathOptions>> parse_paths(const std::vector<std::string>& texts);
/// Paths of all origins together: not too many, and no name twice. Nameless ones are numbered later ("path2" is the
/// second of all), so a name given must not be one of those.
[[nodiscard]] Result<> check_paths(const std::vector<PathOptions>& paths);

/// Every provider of a fabric that these options ask for, by themselves (--fabric) or by a path's transport.
[[nodiscard]] std::vector<std::string> fabrics_asked_for(const Options& options);

}  // namespace longhaul::cli
