// The bare loop of one-sided writes: two processes with an endpoint of the same provider each. One writes piece after
// piece into slots of the other's memory, each with its slot as remote data; the other reads its queue, and grants
// the slot again by a byte on a socket. No headers, no digests, no disks. What a fabric path is measured against.
//
//   floor_rma PROVIDER [--mib N] [--kib N] [--slots N] [--told] [--spin]
//
// --kib: of each write, by default 256, as large as a frame of a transfer. --told: writes carry no data; when one is
// delivered, the writer tells of its slot by a byte on the socket, as a rail must where data is not to be had, or not
// to be trusted.
//
// Waits by descriptors, where the provider has one for its queue and without --spin; else it spins. Prints a JSON line.

#include <fmt/format.h>
#include <poll.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "two_ends.h"

namespace {

namespace bench = longhaul::bench;

constexpr std::size_t kib_most = 1024;
constexpr std::size_t slots_max = 64;

struct Options {
  std::string provider;
  std::uint64_t mib = 4096;
  std::size_t slots = 8;
  std::size_t kib = 256;
  bool told = false;

  [[nodiscard]] std::size_t write_bytes() const { return kib << 10; }
  [[nodiscard]] std::uint64_t writes() const { return mib * 1024 / kib; }
  bool spin = false;
};

/// What one end tells the other first.
struct Hello {
  std::array<std::byte, 256> address{};
  std::size_t address_bytes = 0;
  std::uint64_t base = 0;
  std::uint64_t key = 0;
};

[[noreturn]] void die(std::string_view what, long error) {
  fmt::print(stderr, "floor_rma: {}: {}\n", what, fi_strerror(static_cast<int>(error < 0 ? -error : error)));
  std::fflush(stderr);
  std::_Exit(1);
}

void must(std::string_view what, long error) {
  if (error < 0) die(what, error);
}

fi_info* find(const std::string& provider, bool told) {
  fi_info* hints = fi_allocinfo();
  hints->fabric_attr->prov_name = strdup(provider.c_str());  // freed with it
  hints->caps = FI_MSG | FI_RMA | FI_WRITE | FI_REMOTE_WRITE;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  if (told)
    hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
  else
    hints->domain_attr->cq_data_size = 4;
  fi_info* found = nullptr;
  must("no such provider", fi_getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, hints, &found));
  fi_freeinfo(hints);
  return found;
}

/// One end. Everything of it ends with its process.
class End {
 public:
  End(const Options& options, int peer)
      : spin_(options.spin),
        told_(options.told),
        write_bytes_(options.write_bytes()),
        peer_(peer),
        contexts_(options.slots),
        info_(find(options.provider, options.told)) {
    must("fabric", fi_fabric(info_->fabric_attr, &fabric_, nullptr));
    must("domain", fi_domain(fabric_, info_, &domain_, nullptr));
    open_queue();
    fi_av_attr table{};
    table.type = FI_AV_TABLE;
    must("address table", fi_av_open(domain_, &table, &table_, nullptr));
    must("endpoint", fi_endpoint(domain_, info_, &endpoint_, nullptr));
    must("bind", fi_ep_bind(endpoint_, &table_->fid, 0));
    must("bind", fi_ep_bind(endpoint_, &queue_->fid, FI_TRANSMIT | FI_RECV));
    must("enable", fi_enable(endpoint_));
    const std::size_t bytes = options.slots * write_bytes_;
    memory_ = static_cast<std::byte*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED) die("memory", errno);
    std::memset(memory_, 1, bytes);
    must("register", fi_mr_reg(domain_, memory_, bytes, FI_WRITE | FI_REMOTE_WRITE, 0, 77, 0, &registration_, nullptr));
    introduce();
  }

  /// False: not now.
  bool write(std::uint32_t slot) {
    const iovec from{memory_ + slot * write_bytes_, write_bytes_};
    const fi_rma_iov to{.addr = theirs_.base + slot * write_bytes_, .len = write_bytes_, .key = theirs_.key};
    void* description = fi_mr_desc(registration_);
    fi_msg_rma message{};
    message.msg_iov = &from;
    message.desc = &description;
    message.iov_count = 1;
    message.addr = to_;
    message.rma_iov = &to;
    message.rma_iov_count = 1;
    message.context = &contexts_[slot];
    message.data = slot;
    const ssize_t error =
        fi_writemsg(endpoint_, &message, FI_COMPLETION | (told_ ? FI_DELIVERY_COMPLETE : FI_REMOTE_CQ_DATA));
    if (error == -FI_EAGAIN) return false;
    must("write", error);
    return true;
  }

  /// The slots of what is complete, or has arrived.
  std::vector<std::uint32_t> read_queue() {
    std::array<fi_cq_data_entry, 16> entries{};
    const ssize_t got = fi_cq_read(queue_, entries.data(), entries.size());
    if (got == -FI_EAVAIL) {
      fi_cq_err_entry error{};
      (void)fi_cq_readerr(queue_, &error, 0);
      die("queue", error.err);
    }
    if (got != -FI_EAGAIN) must("queue", got);
    std::vector<std::uint32_t> slots;
    for (ssize_t i = 0; i < got; ++i) {
      const fi_cq_data_entry& entry = entries[static_cast<std::size_t>(i)];
      const bool ours = (entry.flags & FI_WRITE) != 0;
      const auto* context = static_cast<const fi_context2*>(entry.op_context);
      slots.push_back(ours ? static_cast<std::uint32_t>(context - contexts_.data())
                           : static_cast<std::uint32_t>(entry.data));
    }
    return slots;
  }

  [[nodiscard]] bool waits() const { return !spin_ && wait_fd_ >= 0; }
  /// Until the queue or the peer has something, or 5 ms: providers with manual progress want to be asked.
  void wait() {
    fid* waits_for = &queue_->fid;
    if (!waits() || fi_trywait(fabric_, &waits_for, 1) != 0) return;
    std::array<pollfd, 2> both{{{wait_fd_, POLLIN, 0}, {peer_, POLLIN, 0}}};
    (void)poll(both.data(), both.size(), 5);
  }

 private:
  void open_queue() {
    fi_cq_attr attributes{};
    attributes.size = 4 * slots_max;
    attributes.format = FI_CQ_FORMAT_DATA;
    attributes.wait_obj = FI_WAIT_FD;
    if (fi_cq_open(domain_, &attributes, &queue_, nullptr) == 0) {
      if (fi_control(&queue_->fid, FI_GETWAIT, &wait_fd_) != 0) wait_fd_ = -1;
      return;
    }
    attributes.wait_obj = FI_WAIT_NONE;
    must("queue", fi_cq_open(domain_, &attributes, &queue_, nullptr));
  }

  void introduce() {
    Hello ours;
    ours.address_bytes = ours.address.size();
    must("own address", fi_getname(&endpoint_->fid, ours.address.data(), &ours.address_bytes));
    const bool by_address = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
    ours.base = by_address ? reinterpret_cast<std::uint64_t>(memory_) : 0;
    ours.key = fi_mr_key(registration_);
    if (::send(peer_, &ours, sizeof ours, 0) != sizeof ours) die("socket", errno);
    if (recv(peer_, &theirs_, sizeof theirs_, MSG_WAITALL) != sizeof theirs_) die("socket", errno);
    if (fi_av_insert(table_, theirs_.address.data(), 1, &to_, 0, nullptr) != 1) die("the peer's address", FI_EINVAL);
  }

  bool spin_;
  bool told_;
  std::size_t write_bytes_;
  int peer_;
  std::vector<fi_context2> contexts_;  // by slot
  fi_info* info_;
  fid_fabric* fabric_ = nullptr;
  fid_domain* domain_ = nullptr;
  fid_cq* queue_ = nullptr;
  int wait_fd_ = -1;
  fid_av* table_ = nullptr;
  fid_ep* endpoint_ = nullptr;
  std::byte* memory_ = nullptr;
  fid_mr* registration_ = nullptr;
  fi_addr_t to_ = FI_ADDR_UNSPEC;
  Hello theirs_;
};

void tell(int socket, const std::vector<unsigned char>& slots) {
  if (!slots.empty() && ::send(socket, slots.data(), slots.size(), MSG_NOSIGNAL) < 0) die("socket", errno);
}

/// A slot is written when it is granted and what was written from it before is complete.
void send(const Options& options, int socket, bench::Begin& begin) {
  End end(options, socket);
  begin.now();
  std::vector<bool> granted(options.slots, true);
  std::vector<bool> complete(options.slots, true);
  std::uint64_t begun = 0;
  for (std::uint64_t granted_in_all = 0; granted_in_all < options.writes();) {
    bool moved = false;
    for (std::uint32_t slot = 0; slot < options.slots && begun < options.writes(); ++slot) {
      if (!granted[slot] || !complete[slot] || !end.write(slot)) continue;
      granted[slot] = complete[slot] = false;
      ++begun;
      moved = true;
    }
    std::vector<unsigned char> delivered;
    for (const std::uint32_t slot : end.read_queue()) {
      moved = complete[slot] = true;
      if (options.told) delivered.push_back(static_cast<unsigned char>(slot));
    }
    tell(socket, delivered);
    std::array<unsigned char, slots_max> grants{};
    const ssize_t got = recv(socket, grants.data(), grants.size(), MSG_DONTWAIT);
    if (got == 0) die("the receiver has ended", FI_ECONNABORTED);
    for (ssize_t i = 0; i < got; ++i) granted[grants[static_cast<std::size_t>(i)]] = true;
    if (got > 0) granted_in_all += static_cast<std::uint64_t>(got);
    if (!moved && got <= 0) end.wait();
  }
}

void receive(const Options& options, int socket, bench::Begin& begin) {
  End end(options, socket);
  begin.now();
  std::uint64_t arrived = 0;
  while (arrived < options.writes()) {
    std::vector<unsigned char> grants;
    for (const std::uint32_t slot : end.read_queue()) grants.push_back(static_cast<unsigned char>(slot));
    if (options.told) {
      std::array<unsigned char, slots_max> delivered{};
      const ssize_t got = recv(socket, delivered.data(), delivered.size(), MSG_DONTWAIT);
      if (got == 0) die("the sender has ended", FI_ECONNABORTED);
      grants.assign(delivered.data(), delivered.data() + std::max<ssize_t>(got, 0));
    }
    if (grants.empty()) {
      end.wait();
      continue;
    }
    arrived += grants.size();
    tell(socket, grants);
  }
  char bye = 0;
  (void)recv(socket, &bye, 1, 0);  // the provider may still have to answer for what has arrived
}

Options parse(int argc, char** argv) {
  Options options;
  bool fine = argc >= 2;
  for (int i = 1; fine && i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--spin") {
      options.spin = true;
    } else if (word == "--told") {
      options.told = true;
    } else if (word == "--mib" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], 1 << 24, options.mib);
    } else if (word == "--kib" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], kib_most, options.kib) && options.mib * 1024 % options.kib == 0;
    } else if (word == "--slots" && i + 1 < argc) {
      fine = bench::read_number(argv[++i], slots_max, options.slots);
    } else {
      fine = !word.starts_with("--") && options.provider.empty();
      options.provider = word;
    }
  }
  if (!fine || options.provider.empty()) {
    std::fputs("usage: floor_rma PROVIDER [--mib N] [--kib 1..1024] [--slots 1..64] [--told] [--spin]\n", stderr);
    std::exit(2);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::array<int, 2> sockets{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) != 0) die("socketpair", errno);
  const auto cost = bench::run_two_ends(
      [&](bench::Begin& begin) {
        close(sockets[1]);
        send(options, sockets[0], begin);
      },
      [&](bench::Begin& begin) {
        close(sockets[0]);
        receive(options, sockets[1], begin);
      },
      [&] {
        close(sockets[0]);
        close(sockets[1]);
      });
  bench::print(cost, options.mib << 20, fmt::format("\"way\": \"floor\", \"provider\": \"{}\"", options.provider));
  return 0;
}
