#include "journal/manifest_roots.h"

#include <string_view>

#include "base/bytes.h"
#include "base/check.h"

namespace longhaul::journal {
namespace {

using namespace std::string_view_literals;
// With their NUL: what is signed can be taken for nothing else that this key signs (TLS, its certificate).
constexpr std::string_view sha256_words = "longhaul manifest 2 sha256\0"sv;
constexpr std::string_view signature_words = "longhaul manifest 2 signature\0"sv;

void put(std::vector<std::byte>& out, ConstBytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <class T>
void put(std::vector<std::byte>& out, T number) {
  out.resize(out.size() + sizeof number);
  store(out.data() + out.size() - sizeof number, number);
}

std::vector<std::byte> what_is_signed(const security::Sha256& root) {
  std::vector<std::byte> out;
  put(out, bytes_of(signature_words));
  put(out, ConstBytes(root));
  return out;
}

}  // namespace

ManifestRoots::ManifestRoots() {
  all_.add(bytes_of(sha256_words));
}

void ManifestRoots::add(const ManifestRecord& file) {
  ++files_;
  bytes_ += file.size;
  words_.clear();
  put(words_, static_cast<std::uint32_t>(file.path.size()));
  put(words_, bytes_of(file.path));
  put(words_, file.size);
  const std::size_t time_at = words_.size();
  put(words_, ConstBytes(file.root.bytes));
  tree_.add(words_);
  if (!file.sha256) return;
  ++with_sha256_;
  words_.resize(time_at);
  put(words_, file.mtime_ns);
  put(words_, ConstBytes(file.root.bytes));
  put(words_, ConstBytes(*file.sha256));
  all_.add(words_);
}

ManifestSeal ManifestRoots::finish(bool sha256) {
  LH_CHECK(!sha256 || all_have_sha256(), "the SHA-256 root is over the SHA-256 of every file");
  std::vector<std::byte> number;
  put(number, files_);
  tree_.add(number);
  ManifestSeal seal{.files = files_, .root = tree_.finish(), .sha256_root = {}, .signature = {}};
  if (!sha256) return seal;
  all_.add(number);
  seal.sha256_root = all_.finish();
  return seal;
}

void sign(ManifestSeal& seal, const security::Identity& identity) {
  LH_CHECK(seal.sha256_root.has_value(), "what is signed is the SHA-256 root");
  seal.signature = security::sign(identity, what_is_signed(*seal.sha256_root));
}

Result<> check_signature(const ManifestSeal& seal) {
  if (!seal.signature) return {};
  if (seal.sha256_root && security::holds(*seal.signature, what_is_signed(*seal.sha256_root))) return {};
  return fail(Code::corrupt, "its signature is not one of the key " +
                                 security::format_fingerprint(security::signer_of(*seal.signature)) +
                                 " over what it says: somebody has changed it");
}

}  // namespace longhaul::journal
