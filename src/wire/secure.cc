#include "wire/secure.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "protocol/frame.h"

namespace longhaul::wire {
namespace {

constexpr std::size_t read_bytes = 4096;
constexpr std::size_t client_hello_bytes_max = 2048;  // ours has some 300
constexpr std::size_t head_bytes = security::Tls::record_head_bytes;

class TlsConnection final : public SecureConnection {
 public:
  /// `tls`: none for a listener, who gets one from `make` once its peer has begun to speak TLS.
  using Make = std::function<security::Tls()>;
  TlsConnection(std::unique_ptr<Connection> below, std::optional<security::Tls> tls, Make make)
      : SecureConnection(std::move(below)), tls_(std::move(tls)), make_(std::move(make)) {}

  bool begun() const override { return tls_.has_value(); }
  bool established() const override { return tls_ && tls_->established(); }
  std::optional<security::Fingerprint> peer() const override { return tls_->peer(); }
  std::string session() const override { return tls_->session(); }
  security::Secret exported(std::string_view label) const override { return tls_->exported(label); }
  Released release() override;

  Transfer read_some(std::span<std::byte> into) override;
  Transfer read_some(std::span<std::byte> first, std::span<std::byte> /*second*/) override { return read_some(first); }
  /// `moved`: all of it is with the kernel. After `blocked` the same bytes must come again.
  Transfer write_some(std::span<const std::byte> from) override;
  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override;
  std::optional<Error> why_failed() const override { return error_; }

 private:
  Transfer push();
  Transfer pull();
  Transfer take_records();
  [[nodiscard]] std::size_t whole_record();
  Transfer fail(Error error);

  std::optional<security::Tls> tls_;
  Make make_;
  std::vector<std::byte> in_;   ///< records, the last one perhaps in part
  std::size_t accepted_ = 0;    ///< bytes of the caller that are in records on their way out
  std::optional<Error> error_;  ///< for good
};

Transfer TlsConnection::fail(Error error) {
  if (tls_ && !tls_->output().empty()) (void)below().write_some(tls_->output());  // an alert: let the peer know as well
  error_ = std::move(error);
  return {Transfer::State::failed, 0, error_->system_errno};
}

/// Hands over what waits. `moved`: nothing waits any more.
Transfer TlsConnection::push() {
  if (!below().connected() || !tls_) return below().write_some({});
  std::vector<std::byte>& out = tls_->output();
  std::size_t done = 0;
  Transfer transfer{Transfer::State::moved, 0, 0};
  while (done < out.size()) {
    transfer = below().write_some(ConstBytes(out).subspan(done));
    if (transfer.state != Transfer::State::moved) break;
    done += transfer.bytes;
  }
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(done));
  return transfer;
}

/// Size of the record that stands whole in `in_`; 0: none does, or `error_` says why none will.
std::size_t TlsConnection::whole_record() {
  if (in_.size() < head_bytes) return 0;
  const std::size_t bytes = security::Tls::record_bytes(std::span(in_).first<head_bytes>());
  if (bytes == 0 || (!tls_ && bytes > client_hello_bytes_max)) {
    error_ = protocol::stranger(in_);
    return 0;
  }
  return in_.size() >= bytes ? bytes : 0;
}

/// Everything whole that has been read. `moved`: fine.
Transfer TlsConnection::take_records() {
  Transfer transfer{Transfer::State::moved, 0, 0};
  // Once the handshake is over, what stands behind the record that is being read may not be TLS any more.
  while (transfer.state == Transfer::State::moved) {
    const std::size_t bytes = whole_record();
    if (error_) transfer = fail(*error_);
    if (bytes == 0) break;
    if (!tls_) tls_ = make_();
    auto fed = tls_->feed(ConstBytes(in_).first(bytes));
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(bytes));
    if (!fed) transfer = fail(std::move(fed.error()));
    if (established()) break;
  }
  return transfer;
}

/// Reads what is there.
Transfer TlsConnection::pull() {
  std::array<std::byte, read_bytes> some;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by the read
  const Transfer transfer = below().read_some(some);
  if (transfer.state == Transfer::State::moved)
    in_.insert(in_.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(transfer.bytes));
  return transfer;
}

Transfer TlsConnection::read_some(std::span<std::byte> into) {
  while (!error_) {
    const std::size_t got = tls_ ? tls_->read(into) : 0;
    if (got > 0) return {Transfer::State::moved, got, 0};
    if (tls_ && tls_->closed()) return {Transfer::State::closed, 0, 0};
    const std::size_t before = in_.size();
    if (const Transfer taken = take_records(); taken.state != Transfer::State::moved) return taken;
    if (const Transfer pushed = push(); pushed.state == Transfer::State::failed) return pushed;
    if (in_.size() != before) continue;
    if (const Transfer pulled = pull(); pulled.state != Transfer::State::moved) return pulled;
  }
  return {Transfer::State::failed, 0, error_->system_errno};
}

Transfer TlsConnection::write_some(std::span<const std::byte> from) {
  if (error_) return {Transfer::State::failed, 0, error_->system_errno};
  if (accepted_ == 0 && established()) accepted_ = tls_->write(from);
  const Transfer pushed = push();
  if (pushed.state != Transfer::State::moved || accepted_ == 0)
    return {pushed.state == Transfer::State::failed ? Transfer::State::failed : Transfer::State::blocked, 0,
            pushed.system_errno};
  return {Transfer::State::moved, std::exchange(accepted_, 0), 0};
}

void TlsConnection::watch(Poller& poller, std::size_t readable_bytes, bool writable) {
  const bool waits_to_go = tls_ && !tls_->output().empty();
  const bool may_write = waits_to_go || !below().connected() || (writable && established());
  const bool must_read = readable_bytes > 0 || (below().connected() && !established());
  below().watch(poller, must_read ? 1 : 0, may_write);
}

SecureConnection::Released TlsConnection::release() {
  LH_CHECK(accepted_ == 0 && tls_ && tls_->output().empty(), "what is on its way out would be lost");
  return {take_below(), std::move(in_)};
}

class TlsGuard final : public Guard {
 public:
  explicit TlsGuard(const security::Identity& identity) : context_(identity) {}
  std::unique_ptr<SecureConnection> dialled(std::unique_ptr<Connection> connection,
                                            const security::Fingerprint& listener,
                                            std::optional<security::SessionKey> join) override {
    return std::make_unique<TlsConnection>(std::move(connection),
                                           security::Tls::dialler(context_, listener, std::move(join)), nullptr);
  }
  std::unique_ptr<SecureConnection> accepted(std::unique_ptr<Connection> connection,
                                             security::Tls::FindSession find) override {
    return std::make_unique<TlsConnection>(std::move(connection), std::nullopt, [this, find = std::move(find)] {
      return security::Tls::listener(context_, find);
    });
  }

 private:
  security::TlsContext context_;
};

}  // namespace

std::unique_ptr<Guard> make_tls_guard(const security::Identity& identity) {
  return std::make_unique<TlsGuard>(identity);
}

}  // namespace longhaul::wire
