// The listening side of a session: its ticket, and who is let in.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "engine/landing_ops.h"
#include "engine/session_core.h"
#include "protocol/path_terms.h"

namespace longhaul::engine {
namespace {

constexpr Time answer_time = 10 * second;  // for a dialler to get through its greeting
constexpr std::size_t answers_max = 256;

std::unexpected<Error> in_use_by_another() {
  return fail(Code::refused, "this ticket is in use by another user or machine; ask for a ticket of your own");
}

}  // namespace

Result<> SessionCore::listen() {
  const std::int64_t now_s = world_.clock.wall_ns() / 1'000'000'000;
  if (!setup_.keep_in.empty()) {
    auto root = open_target(*kit_.plain_disk, setup_.keep_in);
    if (!root) return std::unexpected(root.error());
    auto zone = journal::LandingZone::open(*kit_.plain_disk, *root);
    if (!zone) return std::unexpected(zone.error());
    auto tickets = TicketBook::open(*kit_.plain_disk, (*zone)->directory(), now_s);
    if (!tickets) return std::unexpected(tickets.error());
    tickets_ = std::move(*tickets);
  }
  auto addresses = setup_.options.listen;
  if (addresses.empty()) addresses.emplace_back("127.0.0.1");
  std::vector<std::string> heard;
  std::uint16_t port = tickets_.port();
  for (const auto& text : addresses) {
    auto at = wire::parse_host_port(text);
    if (!at) return std::unexpected(at.error());
    const bool any_port = at->port == 0;
    if (any_port) at->port = port;
    auto listener = world_.wire.listen(wire::join_host_port(*at));
    if (!listener && any_port && port != 0 && heard.empty()) {
      log::warn("port " + std::to_string(port) +
                " of an earlier ticket is taken; senders that hold it will not find this receiver");
      at->port = 0;
      listener = world_.wire.listen(wire::join_host_port(*at));
    }
    if (!listener) return std::unexpected(listener.error());
    heard.push_back((*listener)->address());
    if (port == 0 || heard.size() == 1) port = wire::parse_host_port(heard.back())->port;
    listeners_.push_back(std::move(*listener));
  }
  return setup_.options.trusts ? stand_open(heard) : hand_out_ticket(heard, now_s, port);
}

Result<> SessionCore::hand_out_ticket(const std::vector<std::string>& addresses, std::int64_t now_s,
                                      std::uint16_t port) {
  const auto valid_s = static_cast<std::int64_t>(setup_.options.ticket_valid_s);
  const auto ticket = security::make_ticket(addresses, now_s + valid_s, identity_->fingerprint(), world_.random);
  ticket_text_ = security::format_ticket(ticket);
  ticket_id_ = ticket.id;
  tickets_.add({ticket.id, security::key_of(ticket), std::nullopt, ticket.expires_s, port, false});
  return tickets_.save(*kit_.plain_disk);
}

Result<> SessionCore::stand_open(const std::vector<std::string>& addresses) {
  ticket_text_ = security::format_ticket(security::open_ticket(addresses, identity_->fingerprint()));
  world_.random.fill(ticket_id_);
  return {};
}

// --- admission

bool SessionCore::of_this_session(const protocol::Hello& dialler) const {
  return !session_.empty() && dialler.session() == session_;
}

/// What the dialler has to prove to have; none: that it is somebody who is trusted.
Result<std::optional<security::TicketKey>> SessionCore::what_admits(const protocol::Hello& dialler) {
  const bool by_key = setup_.options.trusts != nullptr;
  if (!by_key && dialler.by_key())
    return fail(Code::refused, "this side admits holders of its tickets only; ask it for one");
  if (by_key && !dialler.by_key())
    return fail(Code::refused, "this side admits those whose keys it trusts, and no tickets; dial it as it says");
  if (by_key) return std::nullopt;
  const TicketRecord* record = tickets_.find(bytes_of(dialler.ticket()));
  if (record == nullptr)
    return fail(Code::refused, "this ticket is not known here; it may be of another receiver, or have expired");
  if (record->expires_s <= world_.clock.wall_ns() / 1'000'000'000)
    return fail(Code::refused, "this ticket has expired; ask the receiver for a new one");
  if (record->used && !of_this_session(dialler))  // a session goes on after its first transfer
    return fail(Code::refused, "this ticket has been used; ask the receiver for a new one");
  return record->key;
}

Result<Admission::Answer> SessionCore::answer(const protocol::Hello& dialler) {
  const auto key = what_admits(dialler);
  if (!key) return std::unexpected(key.error());
  const bool same_session = of_this_session(dialler);
  // Of two senders with tickets for this target, the one that is here. One that is gone keeps nobody waiting.
  if (!session_ticket_.empty() && session_ticket_ != dialler.ticket() && control_.up())
    return fail(Code::refused, "this receiver is busy with another sender; try again when it is done");
  const auto path = protocol::path_of(dialler);
  if (!path) return std::unexpected(path.error());
  Answer answer;
  answer.key = *key;
  answer.hello.set_ticket(dialler.ticket());
  answer.hello.set_kind(dialler.kind());
  answer.hello.set_cipher(to_wire(setup_.options.cipher));
  answer.hello.set_features_required(features_needed(setup_.options));
  if (dialler.kind() == protocol::Hello::KIND_STREAM) {
    if (!same_session) return fail(Code::refused, "that session has ended");
    if (const auto room = has_room_for(*path); !room) return std::unexpected(room.error());
    answer.hello.set_session(session_);
  } else {
    std::array<std::byte, 16> fresh{};
    world_.random.fill(fresh);
    answer.hello.set_session(same_session ? session_ : std::string(text_of(fresh)));
    answer.hello.set_last_sequence(same_session ? control_.last_seen() : 0);
  }
  return answer;
}

Result<> SessionCore::admit(const protocol::Hello& dialler, const security::Fingerprint& key) {
  if (session_ticket_ == dialler.ticket() && control_.up() && session_peer_ != key) return in_use_by_another();
  return setup_.options.trusts ? admit_by_key(key) : admit_by_ticket(dialler, key);
}

Result<> SessionCore::admit_by_key(const security::Fingerprint& key) const {
  const std::string shown = security::format_fingerprint(key);
  if (setup_.options.trusts(shown)) return {};
  return fail(
      Code::refused,
      "your key is not trusted here: whoever runs this side would have to say 'longhaul trust add NAME " + shown + "'");
}

Result<> SessionCore::admit_by_ticket(const protocol::Hello& dialler, const security::Fingerprint& key) {
  TicketRecord* record = tickets_.find(bytes_of(dialler.ticket()));
  if (record == nullptr || (record->used && !of_this_session(dialler)))
    return fail(Code::refused, "this ticket has been used; ask the receiver for a new one");
  if (record->first_sender) {
    if (*record->first_sender == key) return {};
    return in_use_by_another();
  }
  record->first_sender = key;
  return tickets_.save(*kit_.plain_disk);
}

/// Under a flood those that say nothing make room first, the oldest of them: an honest dialler speaks as soon as it is
/// connected.
void SessionCore::make_room_for_greeting() {
  if (greetings_.size() < answers_max) return;
  const auto silent = [](const Greeting& each) { return !each.dialled && !each.handshake->begun(); };
  auto leaves = std::find_if(greetings_.begin(), greetings_.end(), silent);
  if (leaves == greetings_.end()) leaves = greetings_.begin();
  leaves->handshake->channel().unwatch(*kit_.poller);
  greetings_.erase(leaves);
}

void SessionCore::accept_connections(Time now) {
  // Control shows certificates; streams join the session by its key.
  const auto find = [this](std::string_view session) {
    return session_.empty() || session != session_ ? std::nullopt : std::optional(joining_key());
  };
  for (auto& listener : listeners_) {
    while (auto connection = listener->accept()) {
      make_room_for_greeting();
      Greeting greeting;
      greeting.handshake = std::make_unique<Handshake>(guard_->accepted(std::move(connection), find),
                                                       static_cast<Admission&>(*this), now + answer_time);
      greetings_.push_back(std::move(greeting));
    }
  }
}

/// A flood of strangers shall not bury what else is said: a few of them a minute, and how many more there were.
void SessionCore::note_refusal(const std::string& text, Time now) {
  constexpr unsigned told_most = 10;
  constexpr Time told_within = 60 * second;
  if (now - refusals_.since >= told_within) {
    if (refusals_.untold > 0)
      note(Event::Type::note, "refused " + std::to_string(refusals_.untold) + " more connections");
    refusals_ = {.since = now};
  }
  if (refusals_.told == told_most) {
    ++refusals_.untold;
    return;
  }
  ++refusals_.told;
  note(Event::Type::note, text);
}

security::Secret SessionCore::joining_key() const {
  return security::derive(session_secret_, "longhaul join");
}

}  // namespace longhaul::engine
