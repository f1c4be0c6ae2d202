#include "security/tls.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "security/openssl.h"

namespace longhaul::security {
namespace {

constexpr const char* suite = "TLS_AES_256_GCM_SHA384";
constexpr std::array<unsigned char, 2> suite_id = {0x13, 0x02};
constexpr long certificate_bytes_max = 4096;  // of a peer, who has proven nothing yet; ours have some 250
constexpr std::array<unsigned char, 8> application = {'l', 'o', 'n', 'g', 'h', 'a', 'u', 'l'};

}  // namespace

struct TlsContext::Parts {
  Owned<SSL_CTX> context;
};

struct TlsState {
  Owned<SSL> ssl;
  BIO* in = nullptr;  // owned by ssl, as `out`
  BIO* out = nullptr;
  bool dialled = false;
  std::optional<Fingerprint> expected;
  std::optional<SessionKey> join;
  Tls::FindSession find;
  std::optional<Fingerprint> peer;
  std::string session;  ///< offered and known here
  std::optional<Error> error;
  bool closed = false;

  static TlsState& of(const SSL* ssl) { return *static_cast<TlsState*>(SSL_get_app_data(ssl)); }
};

namespace {

/// An SSL_SESSION that stands for a key both sides have; null without memory.
SSL_SESSION* session_of(SSL* ssl, const Secret& key) {
  SSL_SESSION* made = SSL_SESSION_new();
  const bool fine =
      made != nullptr &&
      SSL_SESSION_set1_master_key(made, reinterpret_cast<const unsigned char*>(key.data()), key.size()) == 1 &&
      SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl, suite_id.data())) == 1 &&
      SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1;
  if (fine) return made;
  SSL_SESSION_free(made);
  return nullptr;
}

// What OpenSSL calls: they find the state by the SSL.

/// In place of a chain of authorities: the key in the certificate is the one that is expected, or any.
int verify(X509_STORE_CTX* store, void* /*unused*/) {
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& state = TlsState::of(ssl);
  const auto shown = fingerprint_of(X509_STORE_CTX_get0_cert(store));
  if (!shown) {
    state.error = shown.error();
  } else if (state.expected && *state.expected != *shown) {
    state.error = Error{Code::refused,
                        "who answers is not who the ticket names: its key is " + format_fingerprint(*shown) +
                            ", the ticket's " + format_fingerprint(*state.expected) +
                            "; either another receiver has taken over this address, or somebody is in between",
                        0};
  } else {
    state.peer = *shown;
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

int offer_session(SSL* ssl, const EVP_MD* /*md*/, const unsigned char** id, std::size_t* id_bytes,
                  SSL_SESSION** session) {
  const auto& state = TlsState::of(ssl);
  *session = nullptr;
  *id = nullptr;
  *id_bytes = 0;
  if (!state.join) return 1;
  *session = session_of(ssl, state.join->key);
  *id = reinterpret_cast<const unsigned char*>(state.join->session.data());
  *id_bytes = state.join->session.size();
  return *session != nullptr ? 1 : 0;
}

int find_session(SSL* ssl, const unsigned char* id, std::size_t id_bytes, SSL_SESSION** session) {
  auto& state = TlsState::of(ssl);
  *session = nullptr;
  if (!state.find) return 1;
  const std::string_view name(reinterpret_cast<const char*>(id), id_bytes);
  const auto key = state.find(name);
  if (!key) return 1;
  state.session = name;
  *session = session_of(ssl, *key);
  return *session != nullptr ? 1 : 0;
}

}  // namespace

TlsContext::TlsContext(const Identity& identity) : parts_(std::make_unique<Parts>()) {
  parts_->context.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* it = parts_->context.get();
  const bool set = it != nullptr && SSL_CTX_set_min_proto_version(it, TLS1_3_VERSION) == 1 &&
                   SSL_CTX_set_max_proto_version(it, TLS1_3_VERSION) == 1 && SSL_CTX_set_ciphersuites(it, suite) == 1 &&
                   SSL_CTX_set1_groups_list(it, "X25519") == 1 && SSL_CTX_set1_sigalgs_list(it, "ed25519") == 1 &&
                   SSL_CTX_set1_client_sigalgs_list(it, "ed25519") == 1 &&
                   SSL_CTX_use_certificate(it, identity.certificate()) == 1 &&
                   SSL_CTX_use_PrivateKey(it, identity.key()) == 1 && SSL_CTX_set_num_tickets(it, 0) == 1;
  LH_CHECK(set, "OpenSSL cannot do TLS 1.3 with Ed25519");
  SSL_CTX_set_session_cache_mode(it, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(it, certificate_bytes_max);
  SSL_CTX_set_options(it, SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(it, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_verify(it, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(it, verify, nullptr);
  SSL_CTX_set_psk_use_session_callback(it, offer_session);
  SSL_CTX_set_psk_find_session_callback(it, find_session);
}

TlsContext::~TlsContext() = default;

Tls::Tls(std::unique_ptr<TlsState> state) : state_(std::move(state)) {}
Tls::Tls(Tls&&) noexcept = default;
Tls& Tls::operator=(Tls&&) noexcept = default;
Tls::~Tls() = default;

namespace {

std::unique_ptr<TlsState> new_state(SSL_CTX* context) {
  auto state = std::make_unique<TlsState>();
  state->ssl.reset(SSL_new(context));
  state->in = BIO_new(BIO_s_mem());
  state->out = BIO_new(BIO_s_mem());
  LH_CHECK(state->ssl && state->in != nullptr && state->out != nullptr, "OpenSSL has no memory for a connection");
  SSL_set_bio(state->ssl.get(), state->in, state->out);
  SSL_set_app_data(state->ssl.get(), state.get());
  return state;
}

}  // namespace

Tls Tls::dialler(TlsContext& context, const Fingerprint& listener, std::optional<SessionKey> join) {
  Tls made(new_state(context.parts_->context.get()));
  made.state_->dialled = true;
  made.state_->expected = listener;
  made.state_->join = std::move(join);
  SSL_set_connect_state(made.state_->ssl.get());
  (void)made.advance();
  return made;
}

Tls Tls::listener(TlsContext& context, FindSession find) {
  Tls made(new_state(context.parts_->context.get()));
  made.state_->find = std::move(find);
  SSL_set_accept_state(made.state_->ssl.get());
  // OpenSSL wants a name for whom a session holds, where certificates are demanded; a dialler's sessions must have
  // none.
  LH_CHECK(SSL_set_session_id_context(made.state_->ssl.get(), application.data(), application.size()) == 1,
           "OpenSSL refuses a name of 8 bytes");
  return made;
}

std::size_t Tls::record_bytes(std::span<const std::byte, record_head_bytes> head) {
  const auto kind = std::to_integer<unsigned>(head[0]);
  const auto minor = std::to_integer<unsigned>(head[2]);
  const std::size_t content = std::to_integer<std::size_t>(head[3]) << 8U | std::to_integer<std::size_t>(head[4]);
  constexpr unsigned kind_first = 20;  // change_cipher_spec, alert, handshake, application_data
  constexpr unsigned kind_last = 23;
  if (kind < kind_first || kind > kind_last || head[1] != std::byte{3} || minor == 0 || minor > 3) return 0;
  if (content == 0 || content > record_bytes_max - record_head_bytes) return 0;
  return record_head_bytes + content;
}

bool Tls::established() const {
  return SSL_is_init_finished(state_->ssl.get()) == 1;
}

/// As far as the handshake goes with what is there.
Result<> Tls::advance() {
  ERR_clear_error();
  SSL* ssl = state_->ssl.get();
  const int done = SSL_do_handshake(ssl);
  const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, done);
  collect();
  if (why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ) return {};
  if (state_->error) return std::unexpected(*state_->error);
  return fail(Code::protocol, "TLS with the peer failed: " + openssl_words());
}

void Tls::collect() {
  std::array<std::byte, 4096> some{};
  for (int got = 0; (got = BIO_read(state_->out, some.data(), static_cast<int>(some.size()))) > 0;)
    output_.insert(output_.end(), some.begin(), some.begin() + got);
}

Result<> Tls::feed(ConstBytes record) {
  const int taken = BIO_write(state_->in, record.data(), static_cast<int>(record.size()));
  LH_CHECK(taken == static_cast<int>(record.size()), "OpenSSL has no memory for a record");
  if (!established()) return advance();
  // Read at once, or a damaged one would be found only when somebody asks.
  ERR_clear_error();
  SSL* ssl = state_->ssl.get();
  std::byte peeked{};
  const int got = SSL_peek(ssl, &peeked, 1);
  const int why = got > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, got);
  collect();
  if (why == SSL_ERROR_ZERO_RETURN) state_->closed = true;
  if (why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ || state_->closed) return {};
  return fail(Code::protocol, "a TLS record from the peer was refused: " + openssl_words());
}

std::size_t Tls::write(ConstBytes content) {
  LH_CHECK(established(), "content crosses when both sides are proven");
  const std::size_t wanted = std::min(content.size(), content_bytes_max);
  if (wanted == 0) return 0;
  const int taken = SSL_write(state_->ssl.get(), content.data(), static_cast<int>(wanted));
  LH_CHECK(taken > 0, "OpenSSL cannot write into memory");
  collect();
  return static_cast<std::size_t>(taken);
}

std::size_t Tls::read(Bytes into) {
  if (!established() || into.empty()) return 0;
  ERR_clear_error();
  const auto wanted = static_cast<int>(std::min(into.size(), content_bytes_max));
  const int got = SSL_read(state_->ssl.get(), into.data(), wanted);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool Tls::closed() const {
  return state_->closed;
}

const std::optional<Fingerprint>& Tls::peer() const {
  return state_->peer;
}

/// Established without the certificates that both sides demand of each other: by the key.
const std::string& Tls::session() const {
  static const std::string none;
  if (!established() || state_->peer) return none;
  return state_->dialled ? state_->join->session : state_->session;
}

Secret Tls::exported(std::string_view label) const {
  Secret made{};
  const bool exported = SSL_export_keying_material(state_->ssl.get(), reinterpret_cast<unsigned char*>(made.data()),
                                                   made.size(), label.data(), label.size(), nullptr, 0, 0) == 1;
  LH_CHECK(exported, "TLS exports secrets once it is established");
  return made;
}

}  // namespace longhaul::security
