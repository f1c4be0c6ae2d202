// A network that breaks: bytes go through, until somebody resets the connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace longhaul::stress {

/// Listens on loopback and passes every connection on to another address on loopback. One thread.
class Relay {
 public:
  /// `onward`: "ADDR:PORT".
  explicit Relay(const std::string& onward, std::uint64_t seed);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  /// Resets (RST, what is under way is lost) about every `one_in`-th connection; 1: all of them. Any thread.
  void reset(unsigned one_in);
  [[nodiscard]] unsigned resets() const { return resets_.load(); }

 private:
  struct Half {
    Fd socket;
    std::vector<char> waiting;  ///< for this side, not taken yet
    bool ended = false;         ///< this side will send no more
    bool told = false;          ///< and the other side has been told so
  };
  struct Link {
    Half near;
    Half far;
  };

  void run();
  void accept();
  void reset_some(unsigned one_in);
  /// False: the link is over.
  static bool move(Link& link);
  static bool pass(Half& from, Half& to);

  std::uint16_t onward_port_ = 0;
  std::string onward_host_;
  Fd listener_;
  std::string address_;
  Fd wake_;
  std::atomic<unsigned> reset_one_in_{0};
  std::atomic<unsigned> resets_{0};
  std::atomic<bool> over_{false};
  std::uint64_t random_;
  std::list<Link> links_;
  std::thread thread_;
};

}  // namespace longhaul::stress
