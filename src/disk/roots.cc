#include "disk/roots.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace longhaul::disk {
namespace {

std::unexpected<Error> misuse(std::string text) {
  return fail(Code::usage, std::move(text));
}

/// Whether the content of the path lands, not the path by its name.
bool names_content(const std::string& path) {
  return name_of_root(path).empty();
}

Result<Root> open_content_root(Disk& disk, const std::string& path) {
  auto base = disk.open_root(path);
  if (!base) return std::unexpected(base.error());
  return Root{.given = path, .prefix = path.ends_with('/') ? path : path + '/', .name = {}, .base = std::move(*base)};
}

Result<Root> open_named_root(Disk& disk, const std::string& path) {
  const std::size_t name_at = path.rfind('/') + 1;  // 0 when there is no slash
  Root root{.given = path, .prefix = path.substr(0, name_at), .name = path.substr(name_at), .base = nullptr};
  if (root.name == landing_zone_name)
    return misuse(fmt::format("{} is where Longhaul keeps unfinished work; it is never sent", printable(path)));
  auto base = disk.open_root(root.prefix.empty() ? "." : root.prefix);
  if (!base) return std::unexpected(base.error());
  root.base = std::move(*base);
  const Result<Stat> found = disk.stat(root.base, root.name);
  if (!found) {
    Error error = found.error();
    if (error.code == Code::not_found) error.text = fmt::format("{} does not exist", printable(path));
    return std::unexpected(std::move(error));
  }
  if (found->type == FileType::other)
    return misuse(
        fmt::format("{} is neither a file, a directory nor a symlink; only those can be sent", printable(path)));
  return root;
}

Result<> check_distinct(Disk& disk, const std::vector<Root>& roots) {
  std::vector<const Root*> sorted;
  sorted.reserve(roots.size());
  for (const Root& root : roots) sorted.push_back(&root);
  std::ranges::sort(sorted, {}, &Root::name);
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1]->name != sorted[i]->name) continue;
    return misuse(fmt::format("{} and {} would land under one name; send them one after the other",
                              printable(sorted[i - 1]->given), printable(sorted[i]->given)));
  }
  // At most one is left whose content lands at the top: its names must not meet the others.
  if (sorted.empty() || !sorted.front()->name.empty()) return {};
  const Root& content = *sorted.front();
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (!disk.stat(content.base, sorted[i]->name)) continue;
    return misuse(fmt::format("{}{} and {} would land under one name; send them one after the other",
                              printable(content.prefix), printable(sorted[i]->name), printable(sorted[i]->given)));
  }
  return {};
}

}  // namespace

bool is_in_landing_zone(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (path.substr(begin, end - begin) == landing_zone_name) return true;
    begin = end + 1;
  }
  return false;
}

std::string name_of_root(const std::string& path) {
  std::string last = path.substr(path.rfind('/') + 1);
  return last == "." || last == ".." ? std::string() : last;
}

Result<std::vector<Root>> open_roots(Disk& disk, const std::vector<std::string>& paths) {
  std::vector<Root> roots;
  roots.reserve(paths.size());
  for (const std::string& path : paths) {
    if (path.empty() || path.find('\0') != std::string::npos) return misuse("a source path is empty or holds a NUL");
    auto root = names_content(path) ? open_content_root(disk, path) : open_named_root(disk, path);
    if (!root) return std::unexpected(root.error());
    roots.push_back(std::move(*root));
  }
  if (auto distinct = check_distinct(disk, roots); !distinct) return std::unexpected(distinct.error());
  return roots;
}

}  // namespace longhaul::disk
