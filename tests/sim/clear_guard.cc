#include "clear_guard.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "security/sha256.h"

namespace longhaul::sim {
namespace {

using State = wire::Transfer::State;

constexpr std::size_t introduction_bytes_max = 2048;

/// An introduction is a Hello with nothing in it but these: to a witness it is no greeting yet.
std::vector<std::byte> introduction(std::string_view key, std::string_view session) {
  protocol::Message message;
  message.mutable_hello()->set_ticket_proof(std::string(key));
  message.mutable_hello()->set_session(std::string(session));
  return protocol::encode_message(message);
}

class ClearConnection final : public wire::SecureConnection {
 public:
  ClearConnection(std::unique_ptr<wire::Connection> below, const security::Fingerprint& own,
                  std::optional<security::Fingerprint> expected, std::optional<security::SessionKey> join,
                  security::Tls::FindSession find)
      : SecureConnection(std::move(below)),
        own_(text_of(own)),
        dialled_(expected.has_value()),
        expected_(expected),
        join_(std::move(join)),
        find_(std::move(find)) {
    if (dialled_) out_ = introduction(own_, join_ ? join_->session : "");
  }

  bool begun() const override { return dialled_ || heard_; }
  bool established() const override { return heard_ && out_.empty(); }
  std::optional<security::Fingerprint> peer() const override { return session_.empty() ? peer_ : std::nullopt; }
  std::string session() const override { return session_; }
  security::Secret exported(std::string_view label) const override { return security::sha256_of({bytes_of(label)}); }
  Released release() override {
    LH_CHECK(out_.empty(), "what is on its way out would be lost");
    return {take_below(), std::move(in_)};
  }

  wire::Transfer read_some(std::span<std::byte> into) override {
    if (error_) return {State::failed, 0, 0};
    if (const auto greeted = introduce(); greeted.state != State::moved) return greeted;
    if (!has_some()) {
      if (const auto got = read_below(); got.state != State::moved) return got;
    }
    return has_some() ? hand_out(into) : wire::Transfer{State::blocked, 0, 0};
  }
  wire::Transfer read_some(std::span<std::byte> first, std::span<std::byte> /*second*/) override {
    return read_some(first);
  }
  wire::Transfer write_some(std::span<const std::byte> from) override {
    if (error_) return {State::failed, 0, 0};
    if (const auto pushed = push(); pushed.state == State::failed) return pushed;
    return established() || from.empty() ? below().write_some(from) : wire::Transfer{State::blocked, 0, 0};
  }
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    const bool must_read = readable_bytes > 0 || !established();
    if (readable_bytes > 0 && established() && has_some()) poller.wake();
    below().watch(poller, must_read ? 1 : 0, !out_.empty() || !below().connected() || (writable && established()));
  }
  std::optional<Error> why_failed() const override { return error_; }

 private:
  wire::Transfer read_below() {
    std::array<std::byte, 4096> some{};
    const auto got = below().read_some(some);
    in_.insert(in_.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got.bytes));
    return got;
  }
  /// To hand out.
  bool has_some() const { return in_.size() >= (left_ > 0 ? 1 : protocol::prefix_bytes); }
  /// No further than to the end of a message, as TLS to that of a record: what lies behind a greeting is for who comes
  /// behind it.
  wire::Transfer hand_out(std::span<std::byte> into) {
    if (left_ == 0) {
      const std::span<const std::byte, protocol::prefix_bytes> head(in_.data(), protocol::prefix_bytes);
      const auto prefix = protocol::decode_prefix(head, protocol::message_bytes_max);
      left_ = prefix ? protocol::prefix_bytes + prefix->body_bytes : in_.size();
    }
    const std::size_t ready = std::min({into.size(), in_.size(), left_});
    std::copy_n(in_.begin(), ready, into.begin());
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(ready));
    left_ -= ready;
    return {State::moved, ready, 0};
  }
  wire::Transfer push() {
    wire::Transfer put{State::moved, 0, 0};
    while (!out_.empty() && put.state == State::moved) {
      put = below().write_some(out_);
      if (put.state == State::moved) out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(put.bytes));
    }
    return put;
  }
  /// `moved`: it is over.
  wire::Transfer introduce() {
    if (const auto pushed = push(); pushed.state == State::failed) return pushed;
    while (!heard_ && !error_) {
      if (take_introduction()) continue;
      if (error_) break;
      if (const auto got = read_below(); got.state != State::moved) return got;
    }
    if (error_) return {State::failed, 0, 0};
    const auto pushed = push();
    return pushed.state == State::failed ? pushed : wire::Transfer{State::moved, 0, 0};
  }
  bool take_introduction() {
    if (in_.size() < protocol::prefix_bytes) return false;
    const std::span<const std::byte, protocol::prefix_bytes> head(in_.data(), protocol::prefix_bytes);
    const auto prefix = protocol::decode_prefix(head, introduction_bytes_max);
    if (!prefix) return refuse(prefix.error());
    const std::size_t whole = protocol::prefix_bytes + prefix->body_bytes;
    if (in_.size() < whole) return false;
    protocol::Message message;
    const auto body = ConstBytes(in_).subspan(protocol::prefix_bytes, prefix->body_bytes);
    if (auto decoded = protocol::decode_message(head, body, message); !decoded) return refuse(decoded.error());
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(whole));
    const protocol::Hello& told = message.hello();
    if (!message.has_hello() || told.ticket_proof().size() != sizeof(security::Fingerprint))
      return refuse({Code::protocol, "this is no introduction", 0});
    return take(told);
  }
  bool take(const protocol::Hello& told) {
    heard_ = true;
    peer_.emplace();
    std::ranges::copy(bytes_of(told.ticket_proof()), peer_->begin());
    if (dialled_) {
      if (told.session().empty() && *peer_ != *expected_)
        return refuse({Code::refused, "who answers is not who the ticket names", 0});
      session_ = told.session();
      return true;
    }
    if (!told.session().empty() && find_ && find_(told.session())) session_ = told.session();
    out_ = introduction(own_, session_);
    return true;
  }
  bool refuse(Error error) {
    error_ = std::move(error);
    return false;
  }

  std::string own_;
  bool dialled_;
  std::optional<security::Fingerprint> expected_;
  std::optional<security::SessionKey> join_;
  security::Tls::FindSession find_;
  std::optional<security::Fingerprint> peer_;
  std::string session_;
  bool heard_ = false;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
  std::size_t left_ = 0;  ///< of the message that is being handed out
  std::optional<Error> error_;
};

class ClearGuard final : public wire::Guard {
 public:
  explicit ClearGuard(const security::Identity& identity) : own_(identity.fingerprint()) {}
  std::unique_ptr<wire::SecureConnection> dialled(std::unique_ptr<wire::Connection> connection,
                                                  const security::Fingerprint& listener,
                                                  std::optional<security::SessionKey> join) override {
    return std::make_unique<ClearConnection>(std::move(connection), own_, listener, std::move(join), nullptr);
  }
  std::unique_ptr<wire::SecureConnection> accepted(std::unique_ptr<wire::Connection> connection,
                                                   security::Tls::FindSession find) override {
    return std::make_unique<ClearConnection>(std::move(connection), own_, std::nullopt, std::nullopt, std::move(find));
  }

 private:
  security::Fingerprint own_;
};

}  // namespace

std::unique_ptr<wire::Guard> make_clear_guard(const security::Identity& identity) {
  return std::make_unique<ClearGuard>(identity);
}

std::vector<std::byte> clear_introduction(const security::Fingerprint& key, std::string_view session) {
  return introduction(text_of(key), session);
}

}  // namespace longhaul::sim
