// Owners of what OpenSSL hands out, and its words for what went wrong. Only for the .cc files of this directory.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace longhaul::security {

struct OpensslFree {
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(EVP_CIPHER_CTX* it) const { EVP_CIPHER_CTX_free(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(BIO* it) const { BIO_free_all(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
  void operator()(SSL* it) const { SSL_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

/// The oldest error of this thread's queue, in OpenSSL's words; empties the queue.
[[nodiscard]] std::string openssl_words();

}  // namespace longhaul::security
