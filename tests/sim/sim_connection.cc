// The Wire seam on a SimNetwork.
#include <fmt/format.h>

#include <cerrno>

#include "sim_poller.h"
#include "sim_wire.h"

namespace longhaul::sim {

class SimConnection final : public wire::Connection {
 public:
  SimConnection(SimNetwork& network, EndPtr end) : network_(network), end_(std::move(end)) {}
  ~SimConnection() override {
    if (watched_by_ != nullptr) watched_by_->forget(this);
    network_.close(*end_);
  }
  SimConnection(const SimConnection&) = delete;
  SimConnection& operator=(const SimConnection&) = delete;

  bool connected() override { return network_.effective(*end_, end_->connected_at) <= network_.clock_.now(); }
  wire::Transfer read_some(std::span<std::byte> into) override { return network_.read(*end_, into); }
  wire::Transfer read_some(std::span<std::byte> first, std::span<std::byte> rest) override {
    auto got = network_.read(*end_, first);
    if (got.state != wire::Transfer::State::moved || got.bytes < first.size()) return got;
    const auto more = network_.read(*end_, rest);
    if (more.state == wire::Transfer::State::moved) got.bytes += more.bytes;
    return got;
  }
  wire::Transfer write_some(std::span<const std::byte> from) override { return network_.write(*end_, from); }
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    watched_by_ = dynamic_cast<SimPoller*>(&poller);
    if (watched_by_ == nullptr) return;
    watched_by_->wish(this, [this, readable_bytes, writable] {
      return (readable_bytes > 0 && network_.readable(*end_, readable_bytes)) || (writable && network_.writable(*end_));
    });
  }
  void unwatch(Poller& poller) override {
    (void)poller;
    if (watched_by_ != nullptr) watched_by_->forget(this);
    watched_by_ = nullptr;
  }
  wire::Health health() override { return network_.health(*end_); }
  void set_pace(std::uint64_t bytes_per_s) override { end_->pace = bytes_per_s; }
  [[nodiscard]] std::string local_address() const override { return wire::join_host_port(end_->local); }
  [[nodiscard]] std::string remote_address() const override { return wire::join_host_port(end_->remote); }

 private:
  SimNetwork& network_;
  EndPtr end_;
  SimPoller* watched_by_ = nullptr;
};

class SimListener final : public wire::Listener {
 public:
  SimListener(SimNetwork& network, std::string address) : network_(network), address_(std::move(address)) {}
  ~SimListener() override {
    if (watched_by_ != nullptr) watched_by_->forget(this);
    // After a kill the address may already belong to the next life of this process.
    if (owns()) network_.stop_listening(address_);
  }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;

  std::unique_ptr<wire::Connection> accept() override {
    if (!owns()) return nullptr;
    auto end = network_.accept(address_);
    return end == nullptr ? nullptr : std::make_unique<SimConnection>(network_, std::move(end));
  }
  void watch(Poller& poller) override {
    watched_by_ = dynamic_cast<SimPoller*>(&poller);
    if (watched_by_ != nullptr) watched_by_->wish(this, [this] { return owns() && network_.somebody_waits(address_); });
  }
  void unwatch(Poller& poller) override {
    (void)poller;
    if (watched_by_ != nullptr) watched_by_->forget(this);
    watched_by_ = nullptr;
  }
  [[nodiscard]] std::string address() const override { return address_; }

 private:
  [[nodiscard]] bool owns() const {
    const auto at = network_.listening_.find(address_);
    return at != network_.listening_.end() && at->second.owner == this;
  }
  SimNetwork& network_;
  std::string address_;
  SimPoller* watched_by_ = nullptr;
};

class SimWire final : public wire::Wire {
 public:
  SimWire(SimNetwork& network, std::string process, std::string host)
      : network_(network), process_(std::move(process)), host_(std::move(host)) {}

  Result<std::unique_ptr<wire::Connection>> dial(const wire::DialOptions& options) override {
    auto remote = wire::parse_host_port(options.remote);
    if (!remote) return std::unexpected(std::move(remote.error()));
    auto end = network_.dial(process_, options.local.empty() ? host_ : options.local, *remote);
    return std::make_unique<SimConnection>(network_, std::move(end));
  }

  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address) override {
    auto at = wire::parse_host_port(address);
    if (!at) return std::unexpected(std::move(at.error()));
    if (at->port == 0) at->port = network_.next_port_++;
    const std::string name = wire::join_host_port(*at);
    if (network_.listening_.contains(name)) {
      return fail_errno(EADDRINUSE, fmt::format("simulated listen on {}", name));
    }
    auto listener = std::make_unique<SimListener>(network_, name);
    network_.listening_[name] = {process_, listener.get(), {}};
    network_.trace_.note("listen", at->port);
    return listener;
  }

  std::vector<wire::OwnAddress> own_addresses() override { return network_.interfaces[process_]; }

 private:
  SimNetwork& network_;
  std::string process_;
  std::string host_;
};

wire::Wire& SimNetwork::wire(const std::string& process, const std::string& host) {
  auto& wire = wires_[{process, host}];
  if (wire == nullptr) wire = std::make_unique<SimWire>(*this, process, host);
  return *wire;
}

}  // namespace longhaul::sim
