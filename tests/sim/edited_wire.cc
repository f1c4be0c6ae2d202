#include "edited_wire.h"

#include <utility>

#include "protocol/bounds.h"

namespace longhaul::sim {
namespace {

using State = wire::Transfer::State;

class EditedConnection final : public wire::Connection {
 public:
  EditedConnection(std::unique_ptr<wire::Connection> under, const EditedWire::Edit& edit)
      : under_(std::move(under)), edit_(edit) {}
  ~EditedConnection() override { flush(); }
  EditedConnection(const EditedConnection&) = delete;
  EditedConnection& operator=(const EditedConnection&) = delete;

  bool connected() override { return under_->connected(); }
  wire::Transfer read_some(std::span<std::byte> into) override {
    flush();
    return under_->read_some(into);
  }
  wire::Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    flush();
    return under_->read_some(first, second);
  }
  wire::Transfer write_some(std::span<const std::byte> from) override {
    constexpr std::size_t pending_max = 64 * 1024;
    flush();
    if (failed_.state == State::failed) return failed_;
    if (pending_.size() > pending_max || !under_->connected()) return {State::blocked, 0, 0};
    gathered_.insert(gathered_.end(), from.begin(), from.end());
    while (take_unit()) {
    }
    flush();
    return {State::moved, from.size(), 0};
  }
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    flush();
    under_->watch(poller, readable_bytes, writable || !pending_.empty());
  }
  void unwatch(Poller& poller) override { under_->unwatch(poller); }
  wire::Health health() override { return under_->health(); }
  void set_pace(std::uint64_t bytes_per_s) override { under_->set_pace(bytes_per_s); }
  [[nodiscard]] std::string local_address() const override { return under_->local_address(); }
  [[nodiscard]] std::string remote_address() const override { return under_->remote_address(); }

 private:
  bool take_unit() {
    if (gathered_.size() < protocol::prefix_bytes) return false;
    const auto prefix =
        protocol::decode_prefix(std::span(gathered_).first<protocol::prefix_bytes>(), protocol::message_bytes_max);
    const std::size_t whole = prefix ? protocol::prefix_bytes + prefix->body_bytes : gathered_.size();
    if (gathered_.size() < whole) return false;
    edit_(prefix ? prefix->type : protocol::Type::message, ConstBytes(gathered_).first(whole), pending_);
    gathered_.erase(gathered_.begin(), gathered_.begin() + static_cast<std::ptrdiff_t>(whole));
    return true;
  }
  void flush() {
    std::size_t sent = 0;
    while (sent < pending_.size()) {
      const auto put = under_->write_some(ConstBytes(pending_).subspan(sent));
      if (put.state == State::failed) failed_ = put;
      if (put.state != State::moved) break;
      sent += put.bytes;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent));
  }

  std::unique_ptr<wire::Connection> under_;
  const EditedWire::Edit& edit_;
  std::vector<std::byte> gathered_;  // the beginning of a unit
  std::vector<std::byte> pending_;   // edited, not yet sent
  wire::Transfer failed_;
};

}  // namespace

Result<std::unique_ptr<wire::Connection>> EditedWire::dial(const wire::DialOptions& options) {
  auto connection = under_.dial(options);
  if (!connection) return connection;
  return std::make_unique<EditedConnection>(std::move(*connection), edit_);
}

}  // namespace longhaul::sim
