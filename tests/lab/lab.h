// A lab: two network namespaces without names and the paths between them. They are held by descriptors of this process
// alone, so nothing is left when it ends, however it ends.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "path.h"

namespace longhaul::lab {

struct LabSettings {
  struct PathPlan {
    std::string name;
    int mtu = 1500;
    bool offload = true;
    PathSettings settings;
  };
  std::uint64_t seed = 1;
  std::vector<std::pair<std::string, std::string>> sysctls;  // net.* only, for both namespaces
  std::vector<PathPlan> paths;
};

/// Lines: `seed N`, `sysctl net.KEY VALUE...`, `path NAME [mtu=N] [offload=on|off] SETTING...`. Throws LabError.
[[nodiscard]] LabSettings read_settings(std::istream& in);

class Lab {
 public:
  /// Makes it. Needs root. Throws LabError.
  explicit Lab(const LabSettings& settings);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  /// Files of this process that nsenter(1) takes for a network: of src, of dst.
  [[nodiscard]] std::array<std::string, 2> networks() const;

  /// `set PATH|all SETTING...` or `stats [restart]`. Returns one line, without its end. Throws LabError.
  [[nodiscard]] std::string command(const std::string& line);

 private:
  void make_paths(const LabSettings& settings);
  void set(const std::vector<std::string>& words);
  [[nodiscard]] std::string stats(bool restart);

  std::array<int, 2> networks_ = {-1, -1};
  std::vector<std::unique_ptr<Path>> paths_;
};

}  // namespace longhaul::lab
