// Two ends of a connection in memory, for the parts of the engine that talk.
#pragma once

#include <memory>

#include "unit/wire/fakes.h"
#include "wire/channel.h"

namespace longhaul::engine {

struct Pair {
  wire::Pipe to_listener;
  wire::Pipe to_dialler;
  std::size_t piece_most = 100;  ///< bytes of one call
  [[nodiscard]] std::unique_ptr<wire::Connection> dialler_end(std::uint64_t seed = 1, int block_percent = 20) {
    return std::make_unique<wire::FakeConnection>(to_dialler, to_listener, seed, piece_most, block_percent);
  }
  [[nodiscard]] std::unique_ptr<wire::Connection> listener_end(std::uint64_t seed = 2, int block_percent = 20) {
    return std::make_unique<wire::FakeConnection>(to_listener, to_dialler, seed, piece_most, block_percent);
  }
  [[nodiscard]] std::unique_ptr<wire::Channel> dialler(std::uint64_t seed = 1, int block_percent = 20) {
    return std::make_unique<wire::Channel>(dialler_end(seed, block_percent));
  }
  [[nodiscard]] std::unique_ptr<wire::Channel> listener(std::uint64_t seed = 2, int block_percent = 20) {
    return std::make_unique<wire::Channel>(listener_end(seed, block_percent));
  }
};

}  // namespace longhaul::engine
