#include "edited_wire.h"

#include <utility>

#include "protocol/bounds.h"
#include "wire/layer.h"

namespace longhaul::sim {
namespace {

using State = wire::Transfer::State;

class EditedConnection final : public wire::Layer {
 public:
  EditedConnection(std::unique_ptr<wire::Connection> below, const EditedWire::Edit& edit)
      : Layer(std::move(below)), edit_(edit) {}
  ~EditedConnection() override { flush(); }
  EditedConnection(const EditedConnection&) = delete;
  EditedConnection& operator=(const EditedConnection&) = delete;

  wire::Transfer read_some(std::span<std::byte> into) override {
    flush();
    return below().read_some(into);
  }
  wire::Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    flush();
    return below().read_some(first, second);
  }
  wire::Transfer write_some(std::span<const std::byte> from) override {
    constexpr std::size_t pending_max = 64 * 1024;
    flush();
    if (failed_.state == State::failed) return failed_;
    if (pending_.size() > pending_max || !below().connected()) return {State::blocked, 0, 0};
    gathered_.insert(gathered_.end(), from.begin(), from.end());
    while (take_unit()) {
    }
    flush();
    return {State::moved, from.size(), 0};
  }
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    flush();
    below().watch(poller, readable_bytes, writable || !pending_.empty());
  }

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
      const auto put = below().write_some(ConstBytes(pending_).subspan(sent));
      if (put.state == State::failed) failed_ = put;
      if (put.state != State::moved) break;
      sent += put.bytes;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent));
  }

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
