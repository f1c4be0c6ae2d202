// AES-GCM by Intel's multi-buffer library (its single-buffer calls), where it is there.
#include "security/aead.h"

#if LONGHAUL_MULTI_BUFFER
#include <intel-ipsec-mb.h>

#include "base/check.h"
#include "security/keys.h"

namespace longhaul::security {
namespace {

struct ManagerFree {
  void operator()(IMB_MGR* it) const { free_mb_mgr(it); }
};

/// The table of functions for this processor; null when it lacks AES or carry-less multiplication, which would make the
/// library slow and its timing depend on the key. Only read after it was made: threads share it.
IMB_MGR* manager() {
  static const std::unique_ptr<IMB_MGR, ManagerFree> made = [] {
    std::unique_ptr<IMB_MGR, ManagerFree> it(alloc_mb_mgr(0));
    if (!it) return it;
    init_mb_mgr_auto(it.get(), nullptr);
    constexpr std::uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if ((it->features & needed) != needed || imb_get_errno(it.get()) != 0) it.reset();
    return it;
  }();
  return made.get();
}

struct Calls {
  aes_gcm_pre_t prepare;
  aes_gcm_init_t begin;
  aes_gcm_enc_dec_update_t encrypt;
  aes_gcm_enc_dec_finalize_t encrypted;
  aes_gcm_enc_dec_update_t decrypt;
  aes_gcm_enc_dec_finalize_t decrypted;
};

class MultiBufferAead final : public Aead {
 public:
  MultiBufferAead(std::size_t key_bytes, const Calls& calls) : key_bytes_(key_bytes), calls_(calls) {}
  ~MultiBufferAead() override {
    forget(std::as_writable_bytes(std::span(&key_, 1)));
    forget(std::as_writable_bytes(std::span(&context_, 1)));
  }
  MultiBufferAead(const MultiBufferAead&) = delete;
  MultiBufferAead& operator=(const MultiBufferAead&) = delete;
  std::size_t key_bytes() const override { return key_bytes_; }
  void set_key(ConstBytes key) override {
    LH_CHECK(key.size() == key_bytes_, "a key of another cipher");
    calls_.prepare(key.data(), &key_);
  }
  void seal(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) override {
    begin(nonce, aad);
    update(calls_.encrypt, first);
    update(calls_.encrypt, second);
    calls_.encrypted(&key_, &context_, reinterpret_cast<std::uint8_t*>(tag.data()), tag.size());
  }
  bool open(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) override {
    begin(nonce, aad);
    update(calls_.decrypt, first);
    update(calls_.decrypt, second);
    std::array<std::byte, tag_bytes> expected{};
    calls_.decrypted(&key_, &context_, reinterpret_cast<std::uint8_t*>(expected.data()), expected.size());
    return same_secret(expected, tag);
  }
  std::string_view library() const override { return "ipsec-mb"; }

 private:
  void begin(const Nonce& nonce, ConstBytes aad) {
    calls_.begin(&key_, &context_, reinterpret_cast<const std::uint8_t*>(nonce.data()),
                 reinterpret_cast<const std::uint8_t*>(aad.data()), aad.size());
  }
  void update(aes_gcm_enc_dec_update_t call, Bytes text) {
    auto* at = reinterpret_cast<std::uint8_t*>(text.data());
    if (!text.empty()) call(&key_, &context_, at, at, text.size());
  }

  std::size_t key_bytes_;
  Calls calls_;
  gcm_key_data key_{};
  gcm_context_data context_{};
};

}  // namespace

std::unique_ptr<Aead> make_multi_buffer_aead(Cipher cipher) {
  const IMB_MGR* it = manager();
  if (it == nullptr) return nullptr;
  if (cipher == Cipher::aes_256_gcm)
    return std::make_unique<MultiBufferAead>(
        std::size_t{32}, Calls{it->gcm256_pre, it->gcm256_init, it->gcm256_enc_update, it->gcm256_enc_finalize,
                               it->gcm256_dec_update, it->gcm256_dec_finalize});
  if (cipher == Cipher::aes_128_gcm)
    return std::make_unique<MultiBufferAead>(
        std::size_t{16}, Calls{it->gcm128_pre, it->gcm128_init, it->gcm128_enc_update, it->gcm128_enc_finalize,
                               it->gcm128_dec_update, it->gcm128_dec_finalize});
  return nullptr;
}

}  // namespace longhaul::security
#else
namespace longhaul::security {

std::unique_ptr<Aead> make_multi_buffer_aead(Cipher /*cipher*/) {
  return nullptr;
}

}  // namespace longhaul::security
#endif
