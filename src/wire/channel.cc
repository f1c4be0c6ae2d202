#include "wire/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/stages.h"

namespace longhaul::wire {
namespace {

constexpr std::size_t read_ahead_bytes = 4096;  // headers and small messages in one call
constexpr std::size_t type_offset = 5;          // of the type in a prefix: a frame has its own limit
constexpr std::size_t header_rest_bytes = protocol::frame_header_bytes - protocol::prefix_bytes;

static_assert(protocol::frame_bytes_max <= slot_payload_bytes, "a frame fits a slot");
static_assert(read_ahead_bytes >= protocol::frame_header_bytes);
static_assert(protocol::seal_tag_bytes == security::tag_bytes);
static_assert(slot_tail_bytes >= protocol::seal_tag_bytes);

std::unexpected<Error> not_the_next() {
  return fail(Code::protocol,
              "what came on a sealed stream is not what the peer sealed next: damaged on its way, or tampered with");
}

}  // namespace

Channel::~Channel() = default;

Channel::Channel(std::unique_ptr<Connection> connection) : connection_(std::move(connection)), in_(read_ahead_bytes) {}

Channel::Channel(std::unique_ptr<Connection> connection, std::vector<std::byte> ahead, security::Seals seals)
    : connection_(std::move(connection)),
      seals_(std::move(seals)),
      in_(std::move(ahead)),
      in_end_(in_.size()),
      starved_(false) {
  in_.resize(std::max(in_.size(), read_ahead_bytes));
}

// --- sending -------------------------------------------------------------------------------------------------------

void Channel::queue(const protocol::Message& message, std::uint32_t sequence) {
  queue_encoded(protocol::encode_message(message, sequence));
}

void Channel::queue_encoded(std::vector<std::byte> message) {
  if (!seals_.out) return append(message);
  if (frame_.empty()) return queue_sealed(std::move(message));
  held_bytes_ += message.size() + protocol::seal_tag_bytes;
  held_.push_back(std::move(message));  // it crosses behind the frame, and records are numbered as they cross
}

void Channel::queue_sealed(std::vector<std::byte> message) {
  const StageScope scope(Stage::seal);
  const std::size_t body_bytes = message.size() - protocol::prefix_bytes;
  message.resize(message.size() + protocol::seal_tag_bytes);
  const Bytes all = message;
  protocol::mark_sealed(all.first<protocol::prefix_bytes>(), seals_.out->next());
  seals_.out->seal(all.first(protocol::prefix_bytes), all.subspan(protocol::prefix_bytes, body_bytes), {},
                   all.last<protocol::seal_tag_bytes>());
  append(message);
}

void Channel::queue_held() {
  for (auto& message : held_) queue_sealed(std::move(message));
  held_.clear();
  held_bytes_ = 0;
}

void Channel::append(ConstBytes message) {
  if (out_done_ > out_.size() / 2) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_done_));
    out_done_ = 0;
  }
  out_.insert(out_.end(), message.begin(), message.end());
}

std::span<std::byte> Channel::seal_frame(security::Seal* seal, std::span<std::byte> bytes) {
  LH_CHECK(bytes.size() >= protocol::frame_header_bytes, "header and payload come in one piece");
  if (seal == nullptr) return bytes;
  const StageScope scope(Stage::seal);
  const std::span<std::byte> all(bytes.data(), bytes.size() + protocol::seal_tag_bytes);
  protocol::mark_sealed(all.first<protocol::prefix_bytes>(), seal->next());
  seal->seal(all.first(protocol::prefix_bytes), bytes.subspan(protocol::prefix_bytes), {},
             all.last<protocol::seal_tag_bytes>());
  return all;
}

void Channel::begin_frame(std::span<std::byte> bytes, Slot slot) {
  LH_CHECK(!sending(), "a frame begins after the one before it");
  frame_ = seal_frame(seals_.out.get(), bytes);
  frame_slot_ = std::move(slot);
}

std::size_t Channel::queued_bytes() const {
  return out_.size() - out_done_ + held_bytes_;
}

// True: all of it is out. False: blocked.
Result<bool> Channel::write(std::span<const std::byte> from, std::size_t& done) {
  const StageScope scope(Stage::send);
  while (done < from.size()) {
    const Transfer transfer = connection_->write_some(from.subspan(done));
    if (transfer.state == Transfer::State::failed) return std::unexpected(connection_error(transfer.system_errno));
    if (transfer.state != Transfer::State::moved) return false;
    done += transfer.bytes;
    bytes_sent_ += transfer.bytes;
  }
  return true;
}

Result<> Channel::flush() {
  if (!connection_->connected()) {  // or failed to connect, which only a call tells
    const Transfer transfer = connection_->write_some({});
    if (transfer.state == Transfer::State::failed) return std::unexpected(connection_error(transfer.system_errno));
    return {};
  }
  while (!frame_.empty() || queued_bytes() > 0) {
    const bool messages_first = out_.size() > out_done_ && !frame_begun_;
    std::size_t frame_done = 0;
    const auto written = messages_first ? write(out_, out_done_) : write(frame_, frame_done);
    if (!messages_first) {
      frame_ = frame_.subspan(frame_done);
      frame_begun_ = !frame_.empty() && (frame_begun_ || frame_done > 0);
      if (frame_.empty()) {
        frame_slot_ = {};
        queue_held();
      }
    }
    if (!written) return std::unexpected(written.error());
    if (!*written) return {};
    if (messages_first) {
      out_.clear();
      out_done_ = 0;
    }
  }
  return {};
}

Incoming Channel::fail_for_good(Error error) {
  Incoming result;
  fail_with(std::move(error), result);
  return result;
}

// --- receiving -----------------------------------------------------------------------------------------------------

Incoming Channel::receive(SlotPool* pool) {
  const StageScope scope(Stage::receive);
  Incoming result;
  while (step(pool, result) == Progress::again) {
  }
  starved_ = result.kind == Incoming::Kind::nothing;
  return result;
}

Channel::Progress Channel::step(SlotPool* pool, Incoming& result) {
  if (failure_) return fail_with(*failure_, result);
  switch (expect_) {
    case Expect::prefix:
      return read_prefix(result);
    case Expect::body:
      return read_body(result);
    case Expect::frame_header:
      return read_frame_header(result);
    case Expect::slot:
      return take_slot(pool, result);
    case Expect::payload:
      return read_payload(result);
  }
  return Progress::stopped;
}

Channel::Progress Channel::read_prefix(Incoming& result) {
  const std::span<std::byte, protocol::prefix_bytes> bytes(header_bytes_.data(), protocol::prefix_bytes);
  if (!take(bytes)) return read_ahead(result);
  const bool frame = static_cast<protocol::Type>(bytes[type_offset]) == protocol::Type::frame;
  const auto prefix =
      protocol::decode_prefix(bytes, frame ? header_rest_bytes + protocol::frame_bytes_max : message_limit_);
  if (!prefix) return fail_with(prefix.error(), result);
  if (prefix->sealed() != sealed()) {
    const char* what = sealed() ? "what crosses this stream is sealed, and the peer sent something in clear"
                                : "the peer sealed what crosses in clear here";
    return fail_with({Code::protocol, what, 0}, result);
  }
  prefix_ = *prefix;
  if (prefix_.type == protocol::Type::frame) {
    expect_ = Expect::frame_header;
  } else {
    body_.resize(prefix_.body_bytes);
    body_done_ = 0;
    expect_ = Expect::body;
  }
  return Progress::again;
}

Channel::Progress Channel::read_body(Incoming& result) {
  if (fill(body_, body_done_, result) == Progress::stopped) return Progress::stopped;
  const std::span<std::byte, protocol::prefix_bytes> prefix(header_bytes_.data(), protocol::prefix_bytes);
  Result<> decoded;
  if (sealed()) {
    const StageScope scope(Stage::unseal);
    const Bytes body = Bytes(body_).first(body_.size() - protocol::seal_tag_bytes);
    const bool opened = seals_.in->open(prefix, body, {}, Bytes(body_).last<protocol::seal_tag_bytes>());
    decoded = opened ? protocol::decode_opened_message(body, result.message) : Result<>(not_the_next());
  } else {
    decoded = protocol::decode_message(prefix, body_, result.message);
  }
  if (!decoded) return fail_with(decoded.error(), result);
  expect_ = Expect::prefix;
  result.kind = Incoming::Kind::message;
  result.sequence = prefix_.sequence;
  return Progress::done;
}

Channel::Progress Channel::read_frame_header(Incoming& result) {
  if (!take(Bytes(header_bytes_).subspan(protocol::prefix_bytes))) return read_ahead(result);
  if (!sealed()) {
    const auto header = protocol::decode_frame_header(header_bytes_);
    if (!header) return fail_with(header.error(), result);
    header_ = *header;
  }
  LH_CHECK(prefix_.behind_header() <= slot_payload_bytes + protocol::seal_tag_bytes,
           "decode_prefix lets no larger frame through");
  expect_ = Expect::slot;
  return Progress::again;
}

Channel::Progress Channel::take_slot(SlotPool* pool, Incoming& result) {
  if (pool == nullptr) {
    return fail_with(
        {Code::protocol, fmt::format("{} sent file content where only messages are allowed; the connection is given up",
                                     connection_->remote_address())},
        result);
  }
  slot_ = pool->take();
  if (!slot_) {
    result.kind = Incoming::Kind::no_slot;
    return Progress::stopped;
  }
  payload_done_ = 0;
  expect_ = Expect::payload;
  return Progress::again;
}

Channel::Progress Channel::read_payload(Incoming& result) {
  if (fill({slot_.payload(), prefix_.behind_header()}, payload_done_, result) == Progress::stopped)
    return Progress::stopped;
  if (sealed()) {
    const auto header = open_frame();
    if (!header) return fail_with(header.error(), result);
    header_ = *header;
  }
  expect_ = Expect::prefix;
  result.kind = Incoming::Kind::frame;
  result.header = header_;
  result.slot = std::move(slot_);
  return Progress::done;
}

/// Header and payload, which lie apart here, as the one text that they were sealed as.
Result<protocol::FrameHeader> Channel::open_frame() {
  const StageScope scope(Stage::unseal);
  const Bytes header = header_bytes_;
  const std::span<std::byte> payload(slot_.payload(), prefix_.behind_header());
  const std::size_t content_bytes = payload.size() - protocol::seal_tag_bytes;
  const bool opened = seals_.in->open(header.first(protocol::prefix_bytes), header.subspan(protocol::prefix_bytes),
                                      payload.first(content_bytes), payload.last<protocol::seal_tag_bytes>());
  return opened ? protocol::decode_opened_header(header_bytes_) : Result<protocol::FrameHeader>(not_the_next());
}

// Takes exactly `into.size()` bytes from what was read ahead, or nothing.
bool Channel::take(Bytes into) {
  if (buffered() < into.size()) return false;
  std::copy_n(in_.begin() + static_cast<std::ptrdiff_t>(in_begin_), into.size(), into.begin());
  in_begin_ += into.size();
  return true;
}

// Reads as much as is there behind what is buffered, which is less than a header.
Channel::Progress Channel::read_ahead(Incoming& result) {
  std::memmove(in_.data(), in_.data() + in_begin_, buffered());
  in_end_ = buffered();
  in_begin_ = 0;
  const Transfer transfer = connection_->read_some(Bytes(in_).subspan(in_end_));
  const Progress progress = judge(transfer, result);
  if (progress == Progress::again) in_end_ += transfer.bytes;
  return progress;
}

// Fills `into` first from what was read ahead, then from the connection - and reads the next header in the same call.
Channel::Progress Channel::fill(Bytes into, std::size_t& done, Incoming& result) {
  const std::size_t ready = std::min(buffered(), into.size() - done);
  take(into.subspan(done, ready));
  done += ready;
  while (done < into.size()) {
    const Bytes rest = into.subspan(done);
    const Transfer transfer = connection_->read_some(rest, Bytes(in_).first(protocol::frame_header_bytes));
    if (judge(transfer, result) == Progress::stopped) return Progress::stopped;
    const std::size_t here = std::min(transfer.bytes, rest.size());
    done += here;
    in_begin_ = 0;
    in_end_ = transfer.bytes - here;
  }
  return Progress::done;
}

Channel::Progress Channel::judge(const Transfer& transfer, Incoming& result) {
  switch (transfer.state) {
    case Transfer::State::moved:
      bytes_received_ += transfer.bytes;
      return Progress::again;
    case Transfer::State::blocked:
      return Progress::stopped;
    case Transfer::State::failed:
      return fail_with(connection_error(transfer.system_errno), result);
    case Transfer::State::closed:
      break;
  }
  if (between_messages()) {
    result.kind = Incoming::Kind::closed;
    return Progress::stopped;
  }
  return fail_with({Code::connection,
                    fmt::format("{} closed the connection in the middle of a message; it will have to be made again",
                                connection_->remote_address())},
                   result);
}

Channel::Progress Channel::fail_with(Error error, Incoming& result) {
  slot_ = {};
  failure_ = error;
  result.kind = Incoming::Kind::failed;
  result.error = std::move(error);
  return Progress::stopped;
}

Error Channel::connection_error(int system_errno) {
  if (auto why = connection_->why_failed()) return *why;
  const std::string words = std::generic_category().message(system_errno);
  const std::string local = connection_->local_address();
  const std::string remote = connection_->remote_address();
  if (!connection_->connected()) {
    return {Code::connection,
            fmt::format(
                "cannot connect from {} to {}: {}; is Longhaul listening there, and does a firewall let it through?",
                local, remote, words),
            system_errno};
  }
  return {Code::connection, fmt::format("the connection from {} to {} broke: {}", local, remote, words), system_errno};
}

// --- waiting -------------------------------------------------------------------------------------------------------

std::size_t Channel::wanted_bytes() const {
  switch (expect_) {
    case Expect::prefix:
      return protocol::prefix_bytes - std::min(buffered(), protocol::prefix_bytes - 1);
    case Expect::body:
      return body_.size() - body_done_;
    case Expect::frame_header:
      return header_rest_bytes - std::min(buffered(), header_rest_bytes - 1);
    case Expect::slot:
      return 0;
    case Expect::payload:
      return prefix_.behind_header() - payload_done_;
  }
  return 0;
}

void Channel::watch(Poller& poller, bool paused) {
  const bool unread = !starved_ && buffered() > 0 && expect_ != Expect::slot;
  if (unread && !paused) poller.wake();
  connection_->watch(poller, paused ? 0 : wanted_bytes(), wants_to_write());
}

}  // namespace longhaul::wire
