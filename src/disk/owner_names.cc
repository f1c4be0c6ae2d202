#include "disk/owner_names.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <vector>

namespace longhaul::disk {
namespace {

constexpr std::size_t names_max = 65536;  // a peer may send any names: what is remembered of them stays small

/// `call(record, buffer, bytes, found)` is one of the C library's calls that fill a caller's buffer.
template <class Record, class Call, class Take>
bool look_up(const Call& call, const Take& take) {
  constexpr std::size_t largest = 1 << 20;
  std::vector<char> buffer(4096);
  for (;;) {
    Record record{};
    Record* found = nullptr;
    const int error = call(&record, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < largest) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    if (error != 0 || found == nullptr) return false;
    take(*found);
    return true;
  }
}

template <class Map, class Key, class Ask>
auto& remembered(Map& map, const Key& key, const Ask& ask) {
  if (const auto at = map.find(key); at != map.end()) return at->second;
  if (map.size() >= names_max) map.clear();
  return map[key] = ask();
}

}  // namespace

const std::string& OwnerNames::user_name(std::uint32_t id) {
  return remembered(user_names_, id, [id] {
    std::string name;
    look_up<passwd>([id](passwd* record, char* at, std::size_t bytes,
                         passwd** found) { return ::getpwuid_r(id, record, at, bytes, found); },
                    [&](const passwd& found) { name = found.pw_name; });
    return name;
  });
}

const std::string& OwnerNames::group_name(std::uint32_t id) {
  return remembered(group_names_, id, [id] {
    std::string name;
    look_up<group>([id](group* record, char* at, std::size_t bytes,
                        group** found) { return ::getgrgid_r(id, record, at, bytes, found); },
                   [&](const group& found) { name = found.gr_name; });
    return name;
  });
}

std::optional<std::uint32_t> OwnerNames::user_id(const std::string& name) {
  return remembered(user_ids_, name, [&name] {
    std::optional<std::uint32_t> id;
    look_up<passwd>([&](passwd* record, char* at, std::size_t bytes,
                        passwd** found) { return ::getpwnam_r(name.c_str(), record, at, bytes, found); },
                    [&](const passwd& found) { id = found.pw_uid; });
    return id;
  });
}

std::optional<std::uint32_t> OwnerNames::group_id(const std::string& name) {
  return remembered(group_ids_, name, [&name] {
    std::optional<std::uint32_t> id;
    look_up<group>([&](group* record, char* at, std::size_t bytes,
                       group** found) { return ::getgrnam_r(name.c_str(), record, at, bytes, found); },
                   [&](const group& found) { id = found.gr_gid; });
    return id;
  });
}

}  // namespace longhaul::disk
