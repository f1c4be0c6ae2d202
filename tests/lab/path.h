// A path: a TUN device in each of two network namespaces, and one thread that carries packets between them through
// two links.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "link.h"

namespace longhaul::lab {

struct PathSettings {
  std::array<LinkSettings, 2> links;  // from src to dst (fwd), and back (rev)
  bool carrier = true;

  /// One word: [fwd.|rev.]KEY=VALUE, [fwd.|rev.]up|down|hold|reset, rtt=TIME, carrier=on|off. Throws LabError.
  void apply(const std::string& word);
};

struct PathStats {
  std::array<LinkStats, 2> links;
  double cpu_s = 0;  // of its thread, since its start
};

/// Opens a TUN device in the calling thread's network namespace. Throws LabError.
[[nodiscard]] int open_tun(const std::string& name, bool offload);

class Path {
 public:
  /// Takes over both devices.
  Path(std::string name, std::array<int, 2> devices, std::uint64_t seed, const PathSettings& settings);
  ~Path();
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  // From any thread; each waits for the path's thread.
  [[nodiscard]] const std::string& name() const { return name_; }
  void set(const PathSettings& settings);
  [[nodiscard]] PathSettings settings();
  /// `restart`: count anew from here.
  [[nodiscard]] PathStats stats(bool restart);

 private:
  void loop(const std::stop_token& stop);
  void run_calls();
  [[nodiscard]] bool carry(std::size_t direction);
  void answer_reset(const Packet& packet, std::size_t direction);
  void wait();
  void call(const std::function<void()>& function);
  void wake() const;

  std::string name_;
  std::array<int, 2> devices_;
  int wake_;
  Pool pool_;
  Buffer* spare_ = nullptr;  // what the next packet is read into
  std::array<Link, 2> links_;
  bool carrier_ = true;
  std::mutex mutex_;
  std::vector<std::packaged_task<void()>> calls_;
  std::atomic<bool> has_calls_ = false;
  std::jthread thread_;
};

}  // namespace longhaul::lab
