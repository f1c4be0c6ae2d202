#include "disk/list_cursor.h"

namespace longhaul::disk {

Result<bool> ListCursor::next(Disk& disk) {
  const Result<bool> more = pass_.next(disk, name_);
  at_hand_ = more && *more;
  if (!at_hand_) return more;
  const std::string_view path = name_.path;
  const auto leads_on = [&](const Lead& lead) {
    const std::size_t bytes = lead.path_bytes;
    if (bytes == 0) return true;
    return path.size() > bytes && path[bytes] == '/' && path.substr(0, bytes) == leads_path_.substr(0, bytes);
  };
  while (!leads_on(leads_.back())) leads_.pop_back();
  leads_path_.resize(leads_.back().path_bytes);
  return true;
}

Result<DirPtr> ListCursor::directory_of(Disk& disk, const DirPtr& base, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return base;
  const std::string_view wanted = path.substr(0, slash);
  if (open_ != nullptr && open_path_ == wanted) return open_;
  const bool beneath = open_ != nullptr && wanted.size() > open_path_.size() && wanted[open_path_.size()] == '/' &&
                       wanted.starts_with(open_path_);
  auto opened = beneath ? disk.open_dir(open_, wanted.substr(open_path_.size() + 1)) : disk.open_dir(base, wanted);
  open_ = opened.value_or(nullptr);
  open_path_ = wanted;
  return opened;
}

std::optional<std::string_view> ListCursor::next_lead() const {
  const std::size_t bytes = leads_.back().path_bytes;
  const std::size_t slash = name_.path.find('/', bytes == 0 ? 0 : bytes + 1);
  if (slash == std::string::npos) return std::nullopt;
  return std::string_view(name_.path).substr(0, slash);
}

void ListCursor::add_lead(const Lead& lead) {
  if (lead.path_bytes == 0)
    leads_.front() = lead;
  else
    leads_.push_back(lead);
  leads_path_ = name_.path.substr(0, lead.path_bytes);
}

}  // namespace longhaul::disk
