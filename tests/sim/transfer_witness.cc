#include "transfer_witness.h"

#include <algorithm>
#include <utility>

#include "chunk/bundle.h"
#include "chunk/packing.h"
#include "wire/layer.h"

namespace longhaul::sim {

namespace {

/// As the planner counts: what failed more often than this was not given up.
constexpr std::size_t failures_max =
    10;  // three fail the file; those of copies that were on their way then come on top

}  // namespace

// --- what is promised -------------------------------------------------------------------------------------------

void Witness::begin_session(const std::string& session) {
  if (session == session_) return;
  session_ = session;
  heard_to_ = said_to_ = 0;
  files_.clear();
  bundles_.clear();
  failed_.clear();
  answered_.clear();
  frames_.clear();
  copies_.clear();
  restarted_.clear();
  failures_.clear();
}

void Witness::heard(const protocol::Message& message, std::uint32_t sequence) {
  if (sequence != 0 && sequence <= heard_to_) return;  // again after a re-dial
  if (sequence != 0) heard_to_ = sequence;
  if (listener) listener("sender", message);
  if (message.has_open_transfer()) chunk_bytes_ = message.open_transfer().chunk_bytes();
  if (message.has_file_end() && message.file_end().state() == protocol::FileEnd::FAILED)
    void_promises(message.file_end().file(), true);
  if (!message.has_announce()) return;
  std::uint64_t id = message.announce().first();
  for (const auto& entry : message.announce().entries()) {
    files_[id++] = {entry.path(), entry.size(), chunk_bytes_};
    take_identity(entry);
  }
}

/// One end has told the other that what landed of this file counts for nothing.
void Witness::void_promises(std::uint64_t file, bool for_good) {
  if (for_good) failed_.insert(file);
  const std::string& path = files_[file].path;
  promised_.erase(path);
  if (promises != nullptr) promises->promise_void(path);
}

/// Another version of the source: what was promised of the one before counts for nothing.
void Witness::take_identity(const protocol::Entry& entry) {
  const std::array<std::uint64_t, 3> identity{entry.size(), static_cast<std::uint64_t>(entry.mtime_ns()),
                                              static_cast<std::uint64_t>(entry.ctime_ns())};
  const auto [at, first] = identities_.emplace(entry.path(), identity);
  if (first || at->second == identity) return;
  at->second = identity;
  promised_.erase(entry.path());
  if (promises != nullptr) promises->promise_void(entry.path());
}

void Witness::said(const protocol::Message& message, std::uint32_t sequence) {
  if (sequence != 0 && sequence <= said_to_) return;
  if (sequence != 0) said_to_ = sequence;
  if (listener) listener("receiver", message);
  if (message.has_verdicts()) {
    std::uint64_t id = message.verdicts().first();
    for (const auto& verdict : message.verdicts().verdicts()) take_verdict(id++, verdict);
  }
  if (message.has_file_failed()) {
    void_promises(message.file_failed().file(), !message.file_failed().restart());
    const std::uint64_t file = message.file_failed().file();
    std::erase_if(answered_, [file](const auto& key) { return key.first == file; });
    std::erase_if(failures_, [file](const auto& each) { return each.first.first == file; });
    // Its chunks are cut anew, and their attempts begin with nought.
    restarted_.insert(file);
  }
  if (message.has_chunk_failed()) take_failure(message.chunk_failed());
  if (!message.has_durable()) return;
  for (int i = 0; i < message.durable().file_size(); ++i)
    take_durable(message.durable().file(i), message.durable().chunk(i));
}

void Witness::take_verdict(std::uint64_t id, const protocol::Verdict& verdict) {
  File& file = files_[id];
  if (verdict.chunk_bytes() != 0) file.chunk_bytes = verdict.chunk_bytes();
  if (verdict.action() != protocol::Verdict::SEND) return;
  const auto promised = promised_.find(file.path);
  if (promised == promised_.end()) return;
  for (const Extent& extent : promised->second) {
    bool kept = false;
    for (int i = 0; i + 1 < verdict.durable_size(); i += 2) {
      const std::uint64_t chunk = extent.offset / file.chunk_bytes;
      kept = kept || (chunk >= verdict.durable(i) && chunk < verdict.durable(i) + verdict.durable(i + 1));
    }
    if (!kept)
      complaints_.push_back(file.path + " at " + std::to_string(extent.offset) +
                            " was answered durable and is asked for again");
  }
}

void Witness::take_durable(std::uint64_t file, std::uint64_t chunk) {
  if (!answered_.insert({file, chunk}).second)
    complaints_.push_back("a chunk was answered durable twice: file " + std::to_string(file) + ", chunk " +
                          std::to_string(chunk));
  if (file == protocol::bundle_file) {
    for (const auto& [id, whole] : bundles_[chunk])
      if (whole && !failed_.contains(id)) promise(files_[id].path, {0, files_[id].size});
    return;
  }
  const File& of = files_[file];
  if (chunk == protocol::published_chunk) {  // its bytes have been counted, chunk by chunk
    if (promises != nullptr) promises->promised(of.path, 0, of.size);
    return;
  }
  const std::uint64_t begin = chunk * of.chunk_bytes;
  promise(of.path, {begin, std::min(of.chunk_bytes, of.size - begin)});
}

/// The sender gives up what has failed three times: it must not go on for ever.
void Witness::take_failure(const protocol::ChunkFailed& failed) {
  auto& attempts = failures_[{failed.file(), failed.chunk()}];
  // Several frames of one copy may fail.
  if (failed.attempt() != protocol::any_attempt && attempts.contains(failed.attempt())) return;
  attempts.insert(failed.attempt());
  if (attempts.size() > failures_max)
    complaints_.push_back("a chunk failed for the " + std::to_string(attempts.size()) + "th time: file " +
                          std::to_string(static_cast<std::int64_t>(failed.file())) + ", chunk " +
                          std::to_string(failed.chunk()));
}

void Witness::promise(const std::string& path, Extent extent) {
  if (promised_[path].insert(extent).second) durable_bytes_ += extent.bytes;
  if (promises != nullptr) promises->promised(path, extent.offset, extent.bytes);
}

void Witness::frame(const protocol::FrameHeader& header, std::span<const std::byte> payload) {
  if (!frames_.insert({header.file, header.chunk, header.frame_index}).second) ++frames_again_;
  if (!copies_.insert({header.file, header.chunk, header.frame_index, header.attempt}).second && !frames_may_repeat &&
      !restarted_.contains(header.file))
    complaints_.push_back("a frame was sent again under its old attempt: file " +
                          std::to_string(static_cast<std::int64_t>(header.file)) + ", chunk " +
                          std::to_string(header.chunk));
  if (header.packed()) ++packed_frames_;
  if ((header.flags & protocol::flag_bundle) == 0) {
    content_bytes_ += header.raw_bytes;
    return;
  }
  std::vector<std::byte> raw(header.packed() ? header.raw_bytes : 0);
  if (header.packed()) {
    chunk::Unpacker unpacker;
    if (!unpacker.unpack(payload, raw)) return;  // damaged on its way
    payload = raw;
  }
  const auto bundle = chunk::decode_bundle(payload, header.leaves[0]);
  if (!bundle) return;  // damaged on its way
  content_bytes_ += header.raw_bytes - chunk::bundle_table_bytes(bundle->rows.size());
  // Which copy has landed is not told: a file that a later one could not read again may not have come.
  for (const auto& row : bundle->rows) {
    const auto [at, first] = bundles_[header.chunk].try_emplace(row.file, row.whole);
    at->second = at->second && row.whole;
  }
}

// --- the wire ---------------------------------------------------------------------------------------------------

namespace {

/// One direction of one connection, cut into messages and frames. Gives up where it does not understand.
class Tap {
 public:
  using OnMessage = std::function<void(const protocol::Message&, std::uint32_t sequence)>;
  using OnFrame = std::function<void(const protocol::FrameHeader&, std::span<const std::byte>)>;

  void feed(std::span<const std::byte> bytes, const OnMessage& on_message, const OnFrame& on_frame) {
    if (lost_) return;
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    while (!lost_ && take(on_message, on_frame)) {
    }
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(std::exchange(done_, 0)));
  }

 private:
  bool take(const OnMessage& on_message, const OnFrame& on_frame) {
    const auto left = std::span<const std::byte>(bytes_).subspan(done_);
    if (left.size() < protocol::prefix_bytes) return false;
    const auto head = left.first<protocol::prefix_bytes>();
    const auto prefix = protocol::decode_prefix(head, protocol::message_bytes_max);
    if (!prefix) {
      lost_ = true;
      return false;
    }
    const std::size_t whole = protocol::prefix_bytes + prefix->body_bytes;
    if (left.size() < whole) return false;
    if (prefix->type == protocol::Type::frame) {
      const auto header = protocol::decode_frame_header(left.first<protocol::frame_header_bytes>());
      if (header) on_frame(*header, left.subspan(protocol::frame_header_bytes, header->wire_bytes));
      lost_ = !header;
    } else {
      protocol::Message message;
      lost_ = !protocol::decode_message(head, left.subspan(protocol::prefix_bytes, prefix->body_bytes), message);
      if (!lost_) on_message(message, prefix->sequence);
    }
    done_ += whole;
    return true;
  }

  std::vector<std::byte> bytes_;
  std::size_t done_ = 0;
  bool lost_ = false;
};

class WitnessedConnection final : public wire::Layer {
 public:
  WitnessedConnection(std::unique_ptr<wire::Connection> below, Witness* witness, const WitnessedWire::Damage& damage)
      : Layer(std::move(below)), witness_(witness), damage_(damage) {}

  wire::Transfer read_some(std::span<std::byte> into) override {
    const auto got = below().read_some(into);
    if (got.state == wire::Transfer::State::moved) taken(into.first(got.bytes));
    return got;
  }
  wire::Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    const auto got = below().read_some(first, second);
    if (got.state != wire::Transfer::State::moved) return got;
    taken(first.first(std::min(first.size(), got.bytes)));
    if (got.bytes > first.size()) taken(second.first(got.bytes - first.size()));
    return got;
  }
  wire::Transfer write_some(std::span<const std::byte> from) override {
    const auto put = below().write_some(from);
    if (put.state == wire::Transfer::State::moved && witness_ != nullptr) {
      out_.feed(
          from.first(put.bytes),
          [this](const protocol::Message& message, std::uint32_t sequence) { said(message, sequence); },
          [](const protocol::FrameHeader&, std::span<const std::byte>) {});
    }
    return put;
  }

 private:
  /// A session counts from the receiver's answer on: a greeting that it refuses changes nothing.
  void said(const protocol::Message& message, std::uint32_t sequence) {
    if (message.has_hello() && message.hello().kind() == protocol::Hello::KIND_CONTROL)
      witness_->begin_session(message.hello().session());
    witness_->said(message, sequence);
  }
  void taken(std::span<std::byte> bytes) {
    if (damage_) damage_(bytes);
    if (witness_ == nullptr) return;
    in_.feed(
        bytes, [this](const protocol::Message& message, std::uint32_t sequence) { witness_->heard(message, sequence); },
        [this](const protocol::FrameHeader& header, std::span<const std::byte> payload) {
          witness_->frame(header, payload);
        });
  }

  Witness* witness_;
  const WitnessedWire::Damage& damage_;
  Tap in_;
  Tap out_;
};

class WitnessedListener final : public wire::Listener {
 public:
  WitnessedListener(std::unique_ptr<wire::Listener> under, WitnessedWire& wire)
      : under_(std::move(under)), wire_(wire) {}
  std::unique_ptr<wire::Connection> accept() override { return wire_.wrap(under_->accept()); }
  void watch(Poller& poller) override { under_->watch(poller); }
  void unwatch(Poller& poller) override { under_->unwatch(poller); }
  [[nodiscard]] std::string address() const override { return under_->address(); }

 private:
  std::unique_ptr<wire::Listener> under_;
  WitnessedWire& wire_;
};

}  // namespace

std::unique_ptr<wire::Connection> WitnessedWire::wrap(std::unique_ptr<wire::Connection> connection) {
  if (connection == nullptr) return nullptr;
  return std::make_unique<WitnessedConnection>(std::move(connection), witness_, damage_);
}

Result<std::unique_ptr<wire::Connection>> WitnessedWire::dial(const wire::DialOptions& options) {
  auto connection = under_.dial(options);
  if (!connection) return std::unexpected(std::move(connection.error()));
  return wrap(std::move(*connection));
}

Result<std::unique_ptr<wire::Listener>> WitnessedWire::listen(const std::string& address) {
  auto listener = under_.listen(address);
  if (!listener) return std::unexpected(std::move(listener.error()));
  return std::make_unique<WitnessedListener>(std::move(*listener), *this);
}

}  // namespace longhaul::sim
