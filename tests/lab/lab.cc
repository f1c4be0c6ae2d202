#include "lab.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace longhaul::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::size_t, 2> ends = {0, 1};  // src, dst; also the directions: from src, from dst
constexpr std::array<const char*, 2> direction_names = {"fwd", "rev"};
constexpr std::size_t paths_max = 200;

/// Runs `function` in a network namespace, on a thread of its own: the caller's never changes.
template <class Function>
auto in_network(int network, const Function& function) {
  std::packaged_task<decltype(function())()> task([&] {
    if (::setns(network, CLONE_NEWNET) < 0) throw_errno("setns");
    return function();
  });
  auto done = task.get_future();
  std::thread(std::move(task)).join();
  return done.get();
}

int new_network() {
  std::packaged_task<int()> task([] {
    if (::unshare(CLONE_NEWNET) < 0) throw_errno("a new network namespace");
    const int network = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (network < 0) throw_errno("/proc/thread-self/ns/net");
    return network;
  });
  auto done = task.get_future();
  std::thread(std::move(task)).join();
  return done.get();
}

/// 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
std::string address(std::size_t path, std::size_t end) {
  return "198.18." + std::to_string(path + 1) + "." + std::to_string(end + 1);
}

std::string address6(std::size_t path, std::size_t end) {
  return "fd00:18:" + std::to_string(path + 1) + "::" + std::to_string(end + 1);
}

/// ip(8) in the calling thread's network namespace.
void run_ip(const std::string& batch) {
  std::array<int, 2> input{};
  if (::pipe2(input.data(), O_CLOEXEC) < 0) throw_errno("pipe");
  const pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    ::dup2(input[0], 0);
    ::execlp("ip", "ip", "-batch", "-", nullptr);
    ::_exit(127);
  }
  ::close(input[0]);
  const bool told = ::write(input[1], batch.data(), batch.size()) == static_cast<ssize_t>(batch.size());
  ::close(input[1]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!told || status != 0) throw LabError("ip -batch failed (of iproute2; its words are above)");
}

void write_sysctl(const std::string& key, const std::string& value) {
  std::string file = key;
  std::ranges::replace(file, '.', '/');
  std::ofstream out("/proc/sys/" + file);
  out << value << std::flush;
  if (!out) throw LabError("sysctl " + key + " = " + value + " is refused in the namespace");
}

std::string commands_for_ip(const LabSettings& settings, std::size_t end) {
  const bool has_ip6 = std::filesystem::exists("/proc/sys/net/ipv6");
  std::ostringstream batch;
  batch << "link set lo up\n";
  for (std::size_t i = 0; i < settings.paths.size(); ++i) {
    const LabSettings::PathPlan& path = settings.paths[i];
    batch << "link set " << path.name << " txqueuelen 8192 mtu " << path.mtu << " up\n"
          << "addr add " << address(i, end) << " peer " << address(i, 1 - end) << " dev " << path.name << "\n";
    if (has_ip6 && path.mtu >= 1280) batch << "addr add " << address6(i, end) << "/64 dev " << path.name << " nodad\n";
  }
  return batch.str();
}

LabSettings::PathPlan read_path(const std::vector<std::string>& words) {
  LabSettings::PathPlan path;
  path.name = words[1];
  if (path.name.size() > 11 || path.name == "all" || path.name == "lo" ||
      !std::ranges::all_of(path.name, [](unsigned char letter) { return std::isalnum(letter) != 0; }))
    throw LabError("bad name of a path: '" + path.name + "'");
  for (auto word = words.begin() + 2; word != words.end(); ++word) {
    if (word->starts_with("mtu="))
      path.mtu = static_cast<int>(std::min<std::uint64_t>(parse_bytes(word->substr(4)), 65536));
    else if (*word == "offload=on" || *word == "offload=off")
      path.offload = *word == "offload=on";
    else
      path.settings.apply(*word);
  }
  if (path.mtu < 576 || path.mtu > 65535) throw LabError("mtu: from 576 to 65535");
  return path;
}

void read_line(LabSettings& settings, const std::vector<std::string>& words) {
  if (words[0] == "seed" && words.size() == 2) {
    settings.seed = parse_bytes(words[1]);
  } else if (words[0] == "sysctl" && words.size() >= 3) {
    if (!words[1].starts_with("net.")) throw LabError("only net.* belongs to a lab");
    std::string value = words[2];
    for (std::size_t i = 3; i < words.size(); ++i) value += " " + words[i];
    settings.sysctls.emplace_back(words[1], value);
  } else if (words[0] == "path" && words.size() >= 2) {
    settings.paths.push_back(read_path(words));
  } else {
    throw LabError("not understood");
  }
}

/// What the kernel dropped because a device's ring was full: the lab could not keep up.
std::map<std::string, std::uint64_t> ring_drops(int network) {
  return in_network(network, [] {
    std::map<std::string, std::uint64_t> found;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) throw_errno("getifaddrs");
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next)
      if (each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_PACKET && each->ifa_data != nullptr)
        found[each->ifa_name] = static_cast<const rtnl_link_stats*>(each->ifa_data)->tx_dropped;
    ::freeifaddrs(list);
    return found;
  });
}

Json json_of(const LinkStats& stats, std::uint64_t dropped_ring) {
  const auto us = [](Nanoseconds time) { return static_cast<double>(time) / 1e3; };
  const double samples = static_cast<double>(std::max<std::uint64_t>(stats.late_samples, 1));
  return {{"bytes", stats.bytes},
          {"packets", stats.packets},
          {"super_packets", stats.super_packets},
          {"lost", stats.lost},
          {"dropped_queue", stats.dropped_queue},
          {"dropped_down", stats.dropped_down},
          {"dropped_size", stats.dropped_size},
          {"dropped_memory", stats.dropped_memory},
          {"dropped_write", stats.dropped_write},
          {"dropped_ring", dropped_ring},
          {"reordered", stats.reordered},
          {"duplicated", stats.duplicated},
          {"corrupted", stats.corrupted},
          {"resets", stats.resets},
          {"queue_bytes_max", stats.queue_bytes_max},
          {"late_samples", stats.late_samples},
          {"late_over_1ms", stats.late_over_1ms},
          {"late_mean_us", us(stats.late_sum) / samples},
          {"late_max_us", us(stats.late_max)}};
}

}  // namespace

LabSettings read_settings(std::istream& in) {
  LabSettings settings;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::vector<std::string> words = words_of(line);
    try {
      if (!words.empty()) read_line(settings, words);
    } catch (const LabError& error) {
      throw LabError("line " + std::to_string(number) + ": " + error.what() + ": " + line);
    }
  }
  if (settings.paths.empty() || settings.paths.size() > paths_max) throw LabError("a lab has 1 to 200 paths");
  return settings;
}

Lab::Lab(const LabSettings& settings) {
  if (::geteuid() != 0) throw LabError("needs root: network namespaces and TUN devices");
  for (int& network : networks_) network = new_network();
  make_paths(settings);
}

void Lab::make_paths(const LabSettings& settings) {
  std::vector<std::array<int, 2>> devices(settings.paths.size());
  for (const std::size_t end : ends) {
    in_network(networks_[end], [&] {
      write_sysctl("net.ipv4.tcp_no_metrics_save", "1");  // no memory of earlier connections
      for (const auto& [key, value] : settings.sysctls) write_sysctl(key, value);
      for (std::size_t i = 0; i < devices.size(); ++i)
        devices[i][end] = open_tun(settings.paths[i].name, settings.paths[i].offload);
      run_ip(commands_for_ip(settings, end));
    });
  }
  for (std::size_t i = 0; i < devices.size(); ++i)
    paths_.push_back(std::make_unique<Path>(settings.paths[i].name, devices[i], settings.seed * 1000 + i,
                                            settings.paths[i].settings));
}

Lab::~Lab() {
  paths_.clear();
  for (const int network : networks_)
    if (network >= 0) ::close(network);
}

std::array<std::string, 2> Lab::networks() const {
  const std::string here = "/proc/" + std::to_string(::getpid()) + "/fd/";
  return {here + std::to_string(networks_[0]), here + std::to_string(networks_[1])};
}

std::string Lab::command(const std::string& line) {
  const std::vector<std::string> words = words_of(line);
  if (words.size() >= 3 && words[0] == "set") {
    set(words);
    return "ok";
  }
  if (!words.empty() && words[0] == "stats") return stats(words.size() == 2 && words[1] == "restart");
  throw LabError("not understood: " + line);
}

void Lab::set(const std::vector<std::string>& words) {
  std::vector<std::pair<Path*, PathSettings>> planned;  // all are looked at before any is made
  for (const auto& path : paths_) {
    if (words[1] != "all" && words[1] != path->name()) continue;
    PathSettings settings = path->settings();
    for (std::size_t i = 2; i < words.size(); ++i) settings.apply(words[i]);
    planned.emplace_back(path.get(), settings);
  }
  if (planned.empty()) throw LabError("no path '" + words[1] + "'");
  for (const auto& [path, settings] : planned) path->set(settings);
}

std::string Lab::stats(bool restart) {
  const std::array drops = {ring_drops(networks_[0]), ring_drops(networks_[1])};
  Json all = Json::object();
  for (const auto& path : paths_) {
    const PathStats stats = path->stats(restart);
    Json& object = all[path->name()] = Json{{"cpu_s", stats.cpu_s}};
    for (const std::size_t end : ends) {
      const auto dropped = drops[end].find(path->name());
      object[direction_names[end]] = json_of(stats.links[end], dropped == drops[end].end() ? 0 : dropped->second);
    }
  }
  return all.dump();
}

}  // namespace longhaul::lab
