// The name of a source at the target, where that is not the one it has.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

namespace longhaul::engine {

/// The one source lands by another name than it has, or its content by one at all.
class OtherName {
 public:
  OtherName() = default;
  /// `at_target` empty: nothing is changed. `at_source`: what the walk calls the source; empty: its content comes by
  /// itself.
  OtherName(std::string at_target, std::string at_source)
      : at_target_(std::move(at_target)), at_source_(std::move(at_source)) {}

  [[nodiscard]] bool changes() const { return !at_target_.empty(); }
  [[nodiscard]] const std::string& name_at_target() const { return at_target_; }
  [[nodiscard]] const std::string& name_at_source() const { return at_source_; }
  /// Of `path` as the walk has it, and back. A path that is not the source's stays as it is.
  [[nodiscard]] std::string at_target(std::string path) const {
    return exchanged(std::move(path), at_source_, at_target_);
  }
  [[nodiscard]] std::string at_source(std::string path) const {
    return exchanged(std::move(path), at_target_, at_source_);
  }

 private:
  /// `path` is `from`, or beneath it.
  [[nodiscard]] std::string exchanged(std::string path, const std::string& from, const std::string& to) const {
    if (!changes()) return path;
    const bool within =
        from.empty() || (path.starts_with(from) && (path.size() == from.size() || path[from.size()] == '/'));
    if (!within) return path;
    std::string rest = from.empty() ? std::move(path) : path.substr(std::min(from.size() + 1, path.size()));
    if (rest.empty()) return to;
    return to.empty() ? rest : to + "/" + rest;
  }
  std::string at_target_;
  std::string at_source_;
};

}  // namespace longhaul::engine
