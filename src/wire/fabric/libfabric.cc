// The seam's real side. Quirks of providers are met here, each where it shows; the README has a table of them.
#include <fmt/format.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "longhaul/options.h"
#include "wire/fabric/libfabric_handle.h"
#include "wire/fabric/library.h"
#include "wire/fabric/lookup.h"
#include "wire/fabric/provider.h"

namespace longhaul::wire::fabric {
namespace {

class LibfabricEndpoint final : public Endpoint {
 public:
  LibfabricEndpoint(const Library& library, Info info)
      : library_(library), info_(std::move(info)), place_(place_of(*info_)), contexts_(place_.depth) {}

  Result<> open() {
    fid_fabric* fabric = nullptr;
    if (const int error = library_.fabric(info_->fabric_attr, &fabric, nullptr); error != 0)
      return fail_call("open", error);
    fabric_ = Owned(fabric);
    fid_domain* domain = nullptr;
    if (const int error = fi_domain(fabric, info_.get(), &domain, nullptr); error != 0)
      return fail_call("open a domain of", error);
    domain_ = Owned(domain);
    if (Result<> opened = open_queue(); !opened) return opened;
    fi_av_attr attributes{};
    const fi_av_type type = info_->domain_attr->av_type;
    attributes.type = type == FI_AV_UNSPEC ? FI_AV_TABLE : type;
    fid_av* peers = nullptr;
    if (const int error = fi_av_open(domain, &attributes, &peers, nullptr); error != 0)
      return fail_call("open an address table of", error);
    peers_ = Owned(peers);
    return open_endpoint();
  }

  ~LibfabricEndpoint() override { (void)close(); }

  bool close() override {
    // The endpoint first: while it is there, memory that is bound to it is in use.
    bool fenced = endpoint_.close();
    for (Owned<fid_mr>& memory : memory_) fenced = memory.close() && fenced;
    memory_.clear();
    (void)peers_.close();
    (void)queue_.close();
    // The threads of providers that have some (sockets) end with the domain.
    fenced = domain_.close() && fenced;
    (void)fabric_.close();
    wait_fd_ = -1;
    return fenced;
  }

  const FabricPlace& place() const override { return place_; }
  std::vector<std::byte> address() const override { return address_; }

  Result<> meet(ConstBytes peer_address) override {
    LH_CHECK(peer_ == FI_ADDR_UNSPEC, "an endpoint has one peer");
    // Providers read as much as their kind of address has, whatever the peer has told.
    const bool as_ours = is_text() || peer_address.size() == address_.size();
    if (peer_address.empty() || peer_address.size() > address_bytes_max || !as_ours)
      return fail(
          Code::protocol,
          fmt::format("the peer's fabric address ({} bytes) is none of {}, whose addresses here have {}: is one end "
                      "IPv4 and the other IPv6, or does another provider stand behind the same name there?",
                      peer_address.size(), place_.provider, address_.size()));
    std::array<std::byte, address_bytes_max + 1> ended{};
    std::ranges::copy(peer_address, ended.begin());
    if (fi_av_insert(peers_.get(), ended.data(), 1, &peer_, 0, nullptr) == 1) return {};
    return fail(
        Code::protocol,
        fmt::format("{} does not take the peer's fabric address: is there a way to it from here?", place_.provider));
  }

  Result<Registration> register_memory(Bytes memory, bool remote, std::uint64_t wished_key) override {
    const std::size_t key_bytes = info_->domain_attr->mr_key_size;
    if (key_bytes < sizeof wished_key) wished_key &= (std::uint64_t{1} << (8 * key_bytes)) - 1;
    fid_mr* made = nullptr;
    const int error = fi_mr_reg(domain_.get(), memory.data(), memory.size(), remote ? FI_REMOTE_WRITE : FI_WRITE, 0,
                                wished_key, 0, &made, nullptr);
    if (error != 0)
      return fail_call("register memory with", error,
                       "; where the limit is memlock, 'ulimit -l unlimited' (LimitMEMLOCK= of a service) lifts it");
    memory_.emplace_back(made);
    return Registration{static_cast<unsigned>(memory_.size() - 1), fi_mr_key(made)};
  }

  Result<Registration> enable_memory(unsigned registration) override {
    fid_mr* memory = memory_.at(registration).get();
    if (const int error = fi_mr_bind(memory, &endpoint_.get()->fid, 0); error != 0)
      return fail_call("bind memory to an endpoint of", error);
    if (const int error = fi_mr_enable(memory); error != 0) return fail_call("enable memory of", error);
    return Registration{registration, fi_mr_key(memory)};
  }

  Posted write(const RemoteWrite& write, Error& why) override {
    LH_CHECK(write.token < contexts_.size(), "a token is below the depth");
    iovec from{const_cast<std::byte*>(write.from.data()), write.from.size()};
    void* description = write.registration ? fi_mr_desc(memory_.at(*write.registration).get()) : nullptr;
    const fi_rma_iov to{.addr = write.address, .len = write.from.size(), .key = write.key};
    fi_msg_rma message{};
    message.msg_iov = &from;
    message.desc = &description;
    message.iov_count = 1;
    message.addr = peer_;
    message.rma_iov = &to;
    message.rma_iov_count = 1;
    message.context = &contexts_[write.token];
    message.data = write.data.value_or(0);
    const std::uint64_t flags = FI_COMPLETION | (write.data ? FI_REMOTE_CQ_DATA : FI_DELIVERY_COMPLETE);
    const ssize_t error = fi_writemsg(endpoint_.get(), &message, flags);
    if (error == 0) return Posted::taken;
    if (error == -FI_EAGAIN) return Posted::again;
    why = fail_call("write by", error).error();
    return Posted::failed;
  }

  std::size_t poll(std::span<Event> events) override {
    std::size_t count = 0;
    std::array<fi_cq_data_entry, 16> entries{};
    while (count < events.size()) {
      const std::size_t room = std::min(entries.size(), events.size() - count);
      const ssize_t got = fi_cq_read(queue_.get(), entries.data(), room);
      if (got == -FI_EAGAIN || got == 0) break;
      if (got == -FI_EAVAIL) {
        if (!take_error(events[count])) break;
        ++count;
        continue;
      }
      if (got < 0) {
        events[count++] = {.kind = Event::Kind::failed, .words = "its queue: " + words_of(library_, got)};
        break;
      }
      for (ssize_t i = 0; i < got; ++i)
        if (take(entries[static_cast<std::size_t>(i)], events[count])) ++count;
    }
    return count;
  }

  int wait_fd() const override { return wait_fd_; }

  bool may_wait() override {
    fid* waits = &queue_.get()->fid;
    return fi_trywait(fabric_.get(), &waits, 1) == 0;
  }

 private:
  bool is_text() const { return info_->addr_format == FI_ADDR_STR; }

  std::unexpected<Error> fail_call(std::string_view verb, ssize_t error, std::string_view advice = {}) const {
    return fail(Code::unsupported,
                fmt::format("cannot {} fabric {}: {}{}", verb, place_.provider, words_of(library_, error), advice));
  }

  Result<> open_queue() {
    fi_cq_attr wish{};
    wish.size = std::max<std::size_t>(4 * place_.depth, 2 * path_slots_max);  // all slots may arrive before it is read
    wish.format = FI_CQ_FORMAT_DATA;
    int error = -FI_ENOSYS;
    // Not every provider has a descriptor (shm).
    for (const fi_wait_obj wait : {FI_WAIT_FD, FI_WAIT_NONE}) {
      wish.wait_obj = wait;
      fid_cq* queue = nullptr;
      error = fi_cq_open(domain_.get(), &wish, &queue, nullptr);
      if (error != 0) continue;
      queue_ = Owned(queue);
      if (wait == FI_WAIT_FD && fi_control(&queue->fid, FI_GETWAIT, &wait_fd_) != 0) wait_fd_ = -1;
      return {};
    }
    return fail_call("open a completion queue of", error);
  }

  Result<> open_endpoint() {
    fid_ep* endpoint = nullptr;
    if (const int error = fi_endpoint(domain_.get(), info_.get(), &endpoint, nullptr); error != 0)
      return fail_call("open an endpoint of", error);
    endpoint_ = Owned(endpoint);
    int error = fi_ep_bind(endpoint, &peers_.get()->fid, 0);
    if (error == 0) error = fi_ep_bind(endpoint, &queue_.get()->fid, FI_TRANSMIT | FI_RECV);
    if (error == 0) error = fi_enable(endpoint);
    if (error != 0) return fail_call("enable an endpoint of", error);
    std::array<std::byte, address_bytes_max> name{};
    std::size_t bytes = name.size();
    if (const int named = fi_getname(&endpoint->fid, name.data(), &bytes); named != 0)
      return fail_call("learn the address of", named);
    address_.assign(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(bytes));
    return {};
  }

  /// False: nothing that anybody waits for.
  bool take(const fi_cq_data_entry& entry, Event& event) const {
    // sockets says FI_REMOTE_CQ_DATA at both ends: at ours it is a completion like any other.
    if ((entry.flags & FI_REMOTE_CQ_DATA) != 0 && (entry.flags & FI_WRITE) == 0) {
      event = {.kind = Event::Kind::arrived, .data = static_cast<std::uint32_t>(entry.data)};
      return true;
    }
    const auto* context = static_cast<const fi_context2*>(entry.op_context);
    if (context < contexts_.data() || context >= contexts_.data() + contexts_.size()) return false;
    event = {.kind = Event::Kind::written, .token = static_cast<std::uint32_t>(context - contexts_.data())};
    return true;
  }

  /// The queue is opaque until its error is taken off. False: there was none after all.
  bool take_error(Event& event) {
    fi_cq_err_entry error{};
    if (fi_cq_readerr(queue_.get(), &error, 0) != 1) return false;
    std::array<char, 256> more{};
    const char* said = fi_cq_strerror(queue_.get(), error.prov_errno, error.err_data, more.data(), more.size());
    event = {.kind = Event::Kind::failed, .words = words_of(library_, error.err)};
    if (error.prov_errno != 0 && said != nullptr) event.words += fmt::format(" ({})", said);
    return true;
  }

  const Library& library_;
  Info info_;
  FabricPlace place_;
  std::vector<std::byte> address_;
  std::vector<fi_context2> contexts_;  // belong to the provider while a write is out; so they outlive what is below
  int wait_fd_ = -1;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  Owned<fid_cq> queue_;
  Owned<fid_av> peers_;
  std::vector<Owned<fid_mr>> memory_;
  Owned<fid_ep> endpoint_;
};

class Libfabric final : public Fabric {
 public:
  Result<std::unique_ptr<Endpoint>> open(const FabricWish& wish) override {
    const auto library = load_library();
    if (!library) return std::unexpected(library.error());
    // Workers open theirs at the same time, and providers keep lists of their own while they look around.
    const std::lock_guard lock(mutex_);
    auto info = look_up(**library, wish);
    if (!info) return std::unexpected(info.error());
    auto endpoint = std::make_unique<LibfabricEndpoint>(**library, *std::move(info));
    if (Result<> opened = endpoint->open(); !opened) return std::unexpected(opened.error());
    return endpoint;
  }

 private:
  std::mutex mutex_;
};

}  // namespace

Fabric& system_fabric() {
  static Libfabric it;
  return it;
}

}  // namespace longhaul::wire::fabric
