#include "sim_fabric.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "../unit/wire/fabric/checked_endpoint.h"
#include "base/bytes.h"
#include "base/check.h"

namespace longhaul::sim {

using wire::fabric::Event;
using wire::fabric::RemoteWrite;

namespace {

constexpr int first_descriptor = 1000;

}  // namespace

class SimFabricEndpoint final : public wire::fabric::CheckedEndpoint {
 public:
  SimFabricEndpoint(SimFabric& fabric, std::uint64_t number, std::string host)
      : CheckedEndpoint(fabric.place), fabric_(fabric), number_(number), host_(std::move(host)) {}
  ~SimFabricEndpoint() override { (void)close(); }

  bool close() override {
    if (!std::exchange(open_, false)) return true;
    fabric_.close(*this);
    return true;
  }
  std::vector<std::byte> address() const override {
    std::vector<std::byte> bytes(sizeof number_);
    store(bytes.data(), number_);
    return bytes;
  }
  Result<> meet(ConstBytes peer_address) override {
    if (peer_address.size() != sizeof peer_) return fail(Code::protocol, "no address of sim");
    peer_ = load<std::uint64_t>(peer_address.data());
    return {};
  }
  Posted write(const RemoteWrite& write, Error&) override;
  std::size_t poll(std::span<Event> events) override {
    fabric_.come_to_pass();
    std::size_t count = 0;
    for (; count < events.size() && !queue_.empty(); queue_.pop_front()) events[count++] = queue_.front();
    return count;
  }
  int wait_fd() const override { return first_descriptor + static_cast<int>(number_); }
  bool may_wait() override { return !fabric_.readable(wait_fd()); }

 private:
  friend class SimFabric;

  SimFabric& fabric_;
  std::uint64_t number_;
  std::string host_;
  std::uint64_t peer_ = 0;
  bool writes_ = false;
  std::deque<Event> queue_;
  std::map<std::byte*, std::size_t> written_;  // by the peer, at the most
  bool open_ = true;
};

wire::fabric::Endpoint::Posted SimFabricEndpoint::write(const RemoteWrite& write, Error&) {
  LH_CHECK(open_ && peer_ != 0, "writes go to a peer");
  writes_ = true;
  if (fabric_.random_.one_in(8)) return Posted::again;
  LH_CHECK(write.from.size() <= place_.write_bytes_max, "no larger than it may be");
  check(write);
  fabric_.post(*this, write);
  return Posted::taken;
}

SimFabric::SimFabric(SimClock& clock, Trace& trace, SimNetwork& network, std::uint64_t seed)
    : clock_(clock), trace_(trace), network_(network), random_(seed) {
  place.provider = "sim";
  place.remote_data_bytes = random_.one_in(2) ? wire::fabric::remote_data_bytes : 0;
  place.memory = {.local = random_.one_in(2),
                  .virtual_addresses = random_.one_in(2),
                  .allocated = random_.one_in(2),
                  .provider_keys = random_.one_in(2),
                  .endpoint = random_.one_in(2)};
  place.manual_progress = random_.one_in(2);
  place.write_bytes_max = std::uint64_t{1} << 20;
  place.depth = static_cast<unsigned>(1 + random_.below(64));
}

Result<std::unique_ptr<wire::fabric::Endpoint>> SimFabric::open(const FabricWish& wish) {
  auto endpoint = std::make_unique<SimFabricEndpoint>(*this, ++opened_, wish.where);
  endpoints_[opened_] = endpoint.get();
  return endpoint;
}

SimFabricEndpoint* SimFabric::find(std::uint64_t number) const {
  const auto at = endpoints_.find(number);
  return at == endpoints_.end() ? nullptr : at->second;
}

SimFabricEndpoint* SimFabric::any_of(const std::function<bool(const SimFabricEndpoint&)>& which) {
  std::vector<SimFabricEndpoint*> fit;
  for (const auto& [number, endpoint] : endpoints_)
    if (which(*endpoint)) fit.push_back(endpoint);
  return fit.empty() ? nullptr : fit[random_.below(fit.size())];
}

bool SimFabric::fail_one() {
  SimFabricEndpoint* const endpoint = any_of([](const SimFabricEndpoint& each) { return each.peer_ != 0; });
  if (endpoint == nullptr) return false;
  endpoint->queue_.push_back({.kind = Event::Kind::failed, .words = "it is broken"});
  trace_.note("rail breaks");
  return true;
}

bool SimFabric::silence_one() {
  SimFabricEndpoint* const endpoint =
      any_of([&](const SimFabricEndpoint& each) { return each.writes_ && !silenced_.contains(each.number_); });
  if (endpoint == nullptr) return false;
  silenced_.insert(endpoint->number_);
  trace_.note("rail silence");
  return true;
}

/// With data, a provider may call complete what it has only copied; without, completion means that it is there.
void SimFabric::post(SimFabricEndpoint& from, const RemoteWrite& write) {
  const SimFabricEndpoint* const to = find(from.peer_);
  const Time now = clock_.now();
  trace_.note("rail write", write.from.size());
  Write it{.from = from.number_, .to = from.peer_, .write = write, .copy = {}};
  it.copied = write.data && random_.one_in(2);
  if (it.copied) {
    it.copy.assign(write.from.begin(), write.from.end());
    completions_.push_back({from.number_, write.token, now + static_cast<Time>(random_.below(millisecond))});
  }
  if (to == nullptr || silenced_.contains(from.number_)) return;
  it.path = &network_.between(from.host_, to->host_);
  it.lands = network_.carry(from.host_, to->host_, write.from.size()) +
             static_cast<Time>(random_.one_in(4) ? random_.below(5 * millisecond) : 0);
  under_way_.push_back(std::move(it));
}

/// What is due in a silence comes when it is over.
bool SimFabric::is_due(const Write& write) const {
  return write.lands <= clock_.now() && write.lands <= write.path->silent_since;
}

void SimFabric::come_to_pass() {
  std::vector<Write> landing_now;
  std::erase_if(under_way_, [&](Write& write) {
    if (!is_due(write)) return false;
    if (!write.path->is_cut) landing_now.push_back(std::move(write));  // else nobody tells
    return true;
  });
  for (std::size_t left = landing_now.size(); left > 1; --left)
    std::swap(landing_now[left - 1], landing_now[random_.below(left)]);
  for (const Write& write : landing_now) land(write);
  std::erase_if(completions_, [&](const Completion& it) {
    if (it.at > clock_.now()) return false;
    if (SimFabricEndpoint* const endpoint = find(it.endpoint)) {
      endpoint->tokens_out.erase(it.token);
      endpoint->queue_.push_back({.kind = Event::Kind::written, .token = it.token});
      trace_.note("rail complete");
    }
    return true;
  });
}

void SimFabric::land(const Write& it) {
  SimFabricEndpoint* const from = find(it.from);
  SimFabricEndpoint* const to = find(it.to);
  if (from == nullptr && !it.copied) return;
  if (to == nullptr) {
    // Some providers tell, others try for ever.
    if (from != nullptr && !it.copied && random_.one_in(2))
      from->queue_.push_back({.kind = Event::Kind::failed, .words = "nobody is there"});
    return;
  }
  const Bytes place_there = to->place_of(it.write);
  LH_CHECK(!place_there.empty(), "a peer writes where it was told to");
  const ConstBytes bytes = it.copied ? ConstBytes(it.copy) : it.write.from;
  std::memcpy(place_there.data(), bytes.data(), bytes.size());
  ++landed_;
  trace_.note("rail lands", bytes.size());
  if (landing) landing(place_there);
  std::size_t& written = to->written_[place_there.data()];
  written = std::max(written, place_there.size());
  if (it.write.data) to->queue_.push_back({.kind = Event::Kind::arrived, .data = *it.write.data});
  if (!it.copied && from != nullptr)
    completions_.push_back({it.from, it.write.token, clock_.now() + it.path->path.delay});
}

/// A peer writes, and what is sent from is read, until the very moment of the fence. What lay in memory that a peer may
/// write into is nobody's business any more.
void SimFabric::close(SimFabricEndpoint& endpoint) {
  const std::uint64_t number = endpoint.number_;
  std::vector<Write> last;
  std::erase_if(under_way_, [&](Write& write) {
    if (write.to != number && (write.from != number || write.copied)) return false;
    const bool lands = find(write.from) != nullptr && find(write.to) != nullptr && random_.one_in(4);
    const bool its_own = write.from == number;
    if (lands) last.push_back(std::move(write));
    return lands || its_own;  // what others write to it finds nobody
  });
  for (const Write& write : last) land(write);
  for (const auto& [at, bytes] : endpoint.written_) std::memset(at, 0xAA, bytes);
  endpoints_.erase(number);
  silenced_.erase(number);
}

Time SimFabric::next_due(Time now) const {
  Time due = time_never;
  for (const Write& write : under_way_)
    if (write.lands > now) due = std::min(due, write.lands);
  for (const Completion& completion : completions_)
    if (completion.at > now) due = std::min(due, completion.at);
  return due;
}

void SimFabric::progress() {
  if (!place.manual_progress) come_to_pass();
}

bool SimFabric::readable(int fd) const {
  const std::uint64_t number = static_cast<std::uint64_t>(fd - first_descriptor);
  const SimFabricEndpoint* const endpoint = find(number);
  if (endpoint == nullptr) return false;
  if (!endpoint->queue_.empty()) return true;
  return std::ranges::any_of(
             under_way_,
             [&](const Write& write) { return (write.to == number || write.from == number) && is_due(write); }) ||
         std::ranges::any_of(completions_,
                             [&](const Completion& it) { return it.endpoint == number && it.at <= clock_.now(); });
}

}  // namespace longhaul::sim
