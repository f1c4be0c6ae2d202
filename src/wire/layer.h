// A connection that stands on another one and hands everything down to it: for those that change some of what crosses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "wire/wire.h"

namespace longhaul::wire {

class Layer : public Connection {
 public:
  bool connected() override { return below_->connected(); }
  Transfer read_some(std::span<std::byte> into) override { return below_->read_some(into); }
  Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    return below_->read_some(first, second);
  }
  Transfer write_some(std::span<const std::byte> from) override { return below_->write_some(from); }
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    below_->watch(poller, readable_bytes, writable);
  }
  void unwatch(Poller& poller) override { below_->unwatch(poller); }
  Health health() override { return below_->health(); }
  Result<> set_dscp(int dscp) override { return below_->set_dscp(dscp); }
  Result<> set_congestion(const std::string& name) override { return below_->set_congestion(name); }
  void set_pace(std::uint64_t bytes_per_s) override { below_->set_pace(bytes_per_s); }
  [[nodiscard]] std::optional<Error> why_failed() const override { return below_->why_failed(); }
  [[nodiscard]] std::string local_address() const override { return below_->local_address(); }
  [[nodiscard]] std::string remote_address() const override { return below_->remote_address(); }

 protected:
  explicit Layer(std::unique_ptr<Connection> below) : below_(std::move(below)) {}
  [[nodiscard]] Connection& below() { return *below_; }
  [[nodiscard]] std::unique_ptr<Connection> take_below() { return std::move(below_); }

 private:
  std::unique_ptr<Connection> below_;
};

}  // namespace longhaul::wire
