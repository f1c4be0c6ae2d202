#include "stranger.h"

#include <algorithm>
#include <array>

#include "clear_guard.h"
#include "protocol/frame.h"
#include "protocol/message.h"

namespace longhaul::sim {
namespace {

constexpr std::size_t visits_max = 6;

std::vector<std::byte> greeting(SimRandom& random) {
  protocol::Message message;
  auto& hello = *message.mutable_hello();
  std::array<std::byte, 32> bytes{};
  random.fill(bytes);
  const std::string_view text = text_of(bytes);
  hello.set_ticket(std::string(text.substr(0, 16)));
  hello.set_ticket_proof(std::string(text));
  hello.set_cipher(protocol::Hello::NONE);
  hello.set_version_min(1);
  hello.set_version_max(1);
  hello.set_kind(protocol::Hello::KIND_CONTROL);
  auto words = clear_introduction(bytes, "");
  const auto greeting = protocol::encode_message(message);
  words.insert(words.end(), greeting.begin(), greeting.end());
  return words;
}

}  // namespace

Stranger::Stranger(wire::Wire& wire, const std::string& address, const SimRandom& random) : random_(random) {
  for (std::size_t count = 1 + random_.below(visits_max); count > 0; --count) {
    auto connection = wire.dial({.remote = address});
    if (connection) visits_.push_back({std::move(*connection), words(), 0, random_.one_in(2)});
  }
}

std::vector<std::byte> Stranger::words() {
  switch (random_.below(5)) {
    case 0:
      return {};
    case 1: {
      const auto request = bytes_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      return {request.begin(), request.end()};
    }
    case 2: {
      std::vector<std::byte> noise(1 + random_.below(100'000));
      random_.fill(noise);
      return noise;
    }
    case 3: {
      auto half = greeting(random_);
      half.resize(1 + random_.below(half.size() - 1));
      return half;
    }
    default:
      return greeting(random_);
  }
}

Time Stranger::step(Time now) {
  (void)now;
  std::array<std::byte, 4096> heard{};
  std::erase_if(visits_, [&](Visit& visit) {
    using State = wire::Transfer::State;
    while (visit.said < visit.words.size()) {
      const auto put = visit.connection->write_some(std::span(visit.words).subspan(visit.said));
      if (put.state == State::blocked) break;
      if (put.state != State::moved) return true;
      visit.said += put.bytes;
    }
    const auto got = visit.connection->read_some(heard);
    if (got.state == State::failed || got.state == State::closed) return true;
    return !visit.stays && !visit.words.empty() && visit.said == visit.words.size();
  });
  return time_never;
}

}  // namespace longhaul::sim
