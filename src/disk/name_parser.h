// A list of names, taken apart. Pure; what a name may be is told in longhaul/name_list.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "longhaul/status.h"

namespace longhaul::disk {

/// One name of a list. The empty path is the directory itself.
struct ListedName {
  std::string path;      ///< relative, without empty, "." or ".." components
  bool content = false;  ///< "dir/": what is in the directory is asked for as well
  bool operator==(const ListedName&) const = default;
};

/// What `raw` means. Errors (Code::usage) say what is wrong with it, but not where it stands.
[[nodiscard]] Result<ListedName> clean_name(std::string_view raw);

class NameParser {
 public:
  /// `called`: the list, in messages.
  NameParser(bool nul_ended, bool ends_at_empty_name, std::string called,
             std::function<Result<>(const ListedName&)> take);

  /// The next piece of the list, of any length. Errors (Code::usage) name the line, or the name's number; and those of
  /// `take`.
  Result<> feed(std::string_view piece);
  /// There is no more. Errors: as feed(); it has not come to the empty name that should end it.
  Result<> finish();
  /// The empty name that ends the list has come.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  Result<> take(std::string_view raw);
  [[nodiscard]] std::unexpected<Error> bad(std::string_view raw, const std::string& why) const;

  bool nul_ended_;
  bool ends_at_empty_name_;
  std::string called_;
  std::function<Result<>(const ListedName&)> take_;
  std::string begun_;         ///< of a name whose end has not come
  std::uint64_t number_ = 1;  ///< of the line, or of the name
  bool ended_ = false;
};

}  // namespace longhaul::disk
