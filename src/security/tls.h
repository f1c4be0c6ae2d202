// TLS 1.3 as bytes in and bytes out, over OpenSSL's memory BIOs: whoever has the connection moves the bytes. One suite
// (TLS_AES_256_GCM_SHA384), X25519, Ed25519; both sides show a certificate, or prove with a pre-shared key that they
// belong to a session. No resumption, no early data, no names, no authorities: only keys and their fingerprints count.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "security/identity.h"
#include "security/keys.h"

namespace longhaul::security {

/// What all connections of an endpoint share. One thread.
class TlsContext {
 public:
  explicit TlsContext(const Identity& identity);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class Tls;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// What a dialler has to show, to join a session that both sides have.
struct SessionKey {
  std::string session;  ///< 1..64 bytes, crosses the wire in clear
  Secret key{};
};

struct TlsState;

class Tls {
 public:
  /// Listeners: the key of that session; none: not known here, certificates decide.
  using FindSession = std::function<std::optional<Secret>(std::string_view session)>;

  /// Who answers must have this fingerprint; with `join`, knowing that session's key will do.
  static Tls dialler(TlsContext& context, const Fingerprint& listener, std::optional<SessionKey> join);
  /// `find` is called while bytes are fed; empty: no session can be joined.
  static Tls listener(TlsContext& context, FindSession find);
  Tls(Tls&&) noexcept;
  Tls& operator=(Tls&&) noexcept;
  ~Tls();

  // --- records, as they cross the wire
  static constexpr std::size_t record_head_bytes = 5;
  static constexpr std::size_t record_bytes_max = record_head_bytes + 16384 + 256;
  /// Of the whole record that begins so; 0: this is not TLS.
  [[nodiscard]] static std::size_t record_bytes(std::span<const std::byte, record_head_bytes> head);
  /// One whole record from the peer. Errors (Code::refused or protocol): the connection is of no use any more; what
  /// `output` holds then tells the peer.
  [[nodiscard]] Result<> feed(ConstBytes record);
  /// What must go to the peer next; the caller erases what it has handed over.
  [[nodiscard]] std::vector<std::byte>& output() { return output_; }

  // --- content, once `established`
  [[nodiscard]] bool established() const;
  /// Into records in `output`; at most `content_bytes_max` at once. Returns how many were taken.
  [[nodiscard]] std::size_t write(ConstBytes content);
  static constexpr std::size_t content_bytes_max = 16384;
  /// Of the records fed so far. 0: none is left.
  [[nodiscard]] std::size_t read(Bytes into);
  /// The peer has said that nothing follows.
  [[nodiscard]] bool closed() const;

  // --- what has been proven
  /// The peer holds this key; none: it has shown no certificate, but joined `session()`.
  [[nodiscard]] const std::optional<Fingerprint>& peer() const;
  /// The session whose key both sides have shown; empty: certificates were shown instead.
  [[nodiscard]] const std::string& session() const;
  /// A secret that both ends of this connection have, and nobody else.
  [[nodiscard]] Secret exported(std::string_view label) const;

 private:
  explicit Tls(std::unique_ptr<TlsState> state);
  Result<> advance();
  void collect();

  std::unique_ptr<TlsState> state_;
  std::vector<std::byte> output_;
};

}  // namespace longhaul::security
