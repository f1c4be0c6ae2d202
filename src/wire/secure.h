// The seam between connections and who is at their other end. What is written to a secure connection crosses sealed,
// what is read from it was opened. Greetings and control go so; a stream's frames have a seal of their own, and go on
// below it once both sides are proven (`release`). The simulator brings its own, which seals nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/identity.h"
#include "security/keys.h"
#include "security/tls.h"
#include "wire/layer.h"

namespace longhaul::wire {

/// `connected` is told of the connection below: the proof may still have to begin.
class SecureConnection : public Layer {
 public:
  /// The peer has begun to greet as it should: somebody who only connects never does.
  [[nodiscard]] virtual bool begun() const = 0;
  /// Both sides are proven: what is written may go out. The rest holds only then.
  [[nodiscard]] virtual bool established() const = 0;
  /// The peer holds this key; none: it has shown no certificate, but joined `session()`.
  [[nodiscard]] virtual std::optional<security::Fingerprint> peer() const = 0;
  /// The session whose key both sides have shown; empty: certificates were shown instead.
  [[nodiscard]] virtual std::string session() const = 0;
  /// A secret that both ends of this connection have, and nobody else.
  [[nodiscard]] virtual security::Secret exported(std::string_view label) const = 0;

  struct Released {
    std::unique_ptr<Connection> connection;
    std::vector<std::byte> ahead;
  };
  /// The connection below, and what was read from it and belongs to what comes next. Nothing may be on its way out.
  [[nodiscard]] virtual Released release() = 0;

 protected:
  using Layer::Layer;
};

/// What all connections of an endpoint share: its key. One thread.
class Guard {
 public:
  virtual ~Guard() = default;
  /// Who answers must hold the key `listener`. With `join`, both show that they know that session's key instead.
  virtual std::unique_ptr<SecureConnection> dialled(std::unique_ptr<Connection> connection,
                                                    const security::Fingerprint& listener,
                                                    std::optional<security::SessionKey> join) = 0;
  /// Somebody who only connects, or speaks of other things, costs next to nothing. `find`: see Tls.
  virtual std::unique_ptr<SecureConnection> accepted(std::unique_ptr<Connection> connection,
                                                     security::Tls::FindSession find) = 0;
};

/// TLS 1.3, see security/tls.h.
[[nodiscard]] std::unique_ptr<Guard> make_tls_guard(const security::Identity& identity);

}  // namespace longhaul::wire
