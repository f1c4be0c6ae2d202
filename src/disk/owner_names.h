// Users and groups of this machine by name and by number. Each is asked for once. Used by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace longhaul::disk {

class OwnerNames {
 public:
  /// Empty: it has none.
  const std::string& user_name(std::uint32_t id);
  const std::string& group_name(std::uint32_t id);
  std::optional<std::uint32_t> user_id(const std::string& name);
  std::optional<std::uint32_t> group_id(const std::string& name);

 private:
  std::unordered_map<std::uint32_t, std::string> user_names_;
  std::unordered_map<std::uint32_t, std::string> group_names_;
  std::unordered_map<std::string, std::optional<std::uint32_t>> user_ids_;
  std::unordered_map<std::string, std::optional<std::uint32_t>> group_ids_;
};

}  // namespace longhaul::disk
