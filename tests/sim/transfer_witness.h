// Listens at the receiver's connections and remembers what was promised: which chunks and bundles have been answered
// `durable`. It knows the protocol, not the engine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol/frame.h"
#include "protocol/message.h"
#include "wire/wire.h"

namespace longhaul::sim {

/// Hears of each promise as it leaves the receiver.
class PromiseListener {
 public:
  virtual ~PromiseListener() = default;
  virtual void promised(const std::string& path, std::uint64_t offset, std::uint64_t bytes) = 0;
  /// The receiver has said that what landed of this file is lost: its promises are void.
  virtual void promise_void(const std::string& path) = 0;
};

/// What the receiver has promised, over all its lives.
class Witness {
 public:
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    auto operator<=>(const Extent&) const = default;
  };
  /// File bytes that have come in frames, copies included.
  [[nodiscard]] std::uint64_t content_bytes() const { return content_bytes_; }
  /// File bytes answered `durable`.
  [[nodiscard]] std::uint64_t durable_bytes() const { return durable_bytes_; }
  /// What contradicts the laws, in words; empty when nothing does.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }

  /// Called with every message, for the story of a failing seed.
  std::function<void(const char* who, const protocol::Message& message)> listener;

  PromiseListener* promises = nullptr;
  /// Frames that came a second time in one session.
  [[nodiscard]] std::uint64_t frames_again() const { return frames_again_; }
  [[nodiscard]] std::uint64_t packed_frames() const { return packed_frames_; }

  /// Something between the ends sends frames twice: a copy says nothing of the sender.
  bool frames_may_repeat = false;

  void begin_session(const std::string& session);
  void heard(const protocol::Message& message, std::uint32_t sequence);
  void said(const protocol::Message& message, std::uint32_t sequence);
  void frame(const protocol::FrameHeader& header, std::span<const std::byte> payload);

 private:
  struct File {
    std::string path;
    std::uint64_t size = 0;
    std::uint64_t chunk_bytes = 0;
  };
  void void_promises(std::uint64_t file, bool for_good);
  void take_identity(const protocol::Entry& entry);
  void take_verdict(std::uint64_t id, const protocol::Verdict& verdict);
  void take_durable(std::uint64_t file, std::uint64_t chunk);
  void take_failure(const protocol::ChunkFailed& failed);
  void promise(const std::string& path, Extent extent);

  std::string session_;
  std::uint32_t heard_to_ = 0;
  std::uint32_t said_to_ = 0;
  std::uint64_t chunk_bytes_ = 0;
  std::map<std::uint64_t, File> files_;
  std::map<std::uint64_t, std::map<std::uint64_t, bool>>
      bundles_;  ///< by chunk: files, and whether whole in all copies
  std::set<std::uint64_t> failed_;
  std::set<std::uint64_t> restarted_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> answered_;
  std::map<std::string, std::set<Extent>> promised_;  ///< by target path; a whole file is one extent {0, size}
  std::map<std::string, std::array<std::uint64_t, 3>> identities_;  ///< size, mtime, ctime as announced last
  std::set<std::array<std::uint64_t, 3>> frames_;                   ///< of this session: file, chunk, frame
  std::set<std::array<std::uint64_t, 4>> copies_;                   ///< and the attempt
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::multiset<std::uint32_t>> failures_;  ///< attempts, by chunk
  std::uint64_t frames_again_ = 0;
  std::uint64_t packed_frames_ = 0;
  std::uint64_t content_bytes_ = 0;
  std::uint64_t durable_bytes_ = 0;
  std::vector<std::string> complaints_;
};

/// A Wire on which a witness listens, and on which bits may flip: `damage` sees everything that is read.
class WitnessedWire final : public wire::Wire {
 public:
  using Damage = std::function<void(std::span<std::byte>)>;
  WitnessedWire(wire::Wire& under, Witness* witness, Damage damage)
      : under_(under), witness_(witness), damage_(std::move(damage)) {}
  Result<std::unique_ptr<wire::Connection>> dial(const wire::DialOptions& options) override;
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address) override;
  std::vector<wire::OwnAddress> own_addresses() override { return under_.own_addresses(); }
  [[nodiscard]] std::unique_ptr<wire::Connection> wrap(std::unique_ptr<wire::Connection> connection);

 private:
  wire::Wire& under_;
  Witness* witness_;
  Damage damage_;
};

}  // namespace longhaul::sim
