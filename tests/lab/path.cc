#include "path.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace longhaul::lab {
namespace {

constexpr std::array<std::size_t, 2> directions = {0, 1};
// Newer than Debian 12's headers.
constexpr unsigned offload_udp4 = 0x20, offload_udp6 = 0x40;
constexpr int batch_max = 64;            // packets before the other direction has its turn
constexpr std::size_t snug_max = 16384;  // up to here a packet is copied into a buffer of its size

void set_carrier(int device, bool on) {
  int value = on ? 1 : 0;
  if (::ioctl(device, TUNSETCARRIER, &value) < 0) throw_errno("TUNSETCARRIER");
}

bool write_packet(int device, const Packet& packet) {
  std::array<iovec, 2> parts{};
  int count = 0;
  if (packet.head != nullptr) parts[static_cast<std::size_t>(count++)] = {packet.head->data(), packet.head_bytes};
  if (packet.bytes != 0) parts[static_cast<std::size_t>(count++)] = {packet.body->data() + packet.offset, packet.bytes};
  return ::writev(device, parts.data(), count) > 0;
}

}  // namespace

void PathSettings::apply(const std::string& word) {
  const std::size_t equals = word.find('=');
  std::string key = word.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
  if (equals != std::string::npos && value.empty()) throw LabError("no value in '" + word + "'");
  if (key == "rtt" && !value.empty()) {
    links[0].delay = links[1].delay = parse_time(value) / 2;
    return;
  }
  if (key == "carrier" && (value == "on" || value == "off")) {
    carrier = value == "on";
    return;
  }
  const bool forward = !key.starts_with("rev."), backward = !key.starts_with("fwd.");
  if (!forward || !backward) key.erase(0, 4);
  if ((forward && !links[0].apply(key, value)) || (backward && !links[1].apply(key, value)))
    throw LabError("unknown setting '" + word + "'");
}

int open_tun(const std::string& name, bool offload) {
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) throw_errno("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  constexpr unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  const bool made = ::ioctl(device, TUNSETIFF, &request) == 0;
  if (made && (!offload || ::ioctl(device, TUNSETOFFLOAD, tcp | offload_udp4 | offload_udp6) == 0 ||
               ::ioctl(device, TUNSETOFFLOAD, tcp) == 0))
    return device;
  const int error = errno;
  ::close(device);
  errno = error;
  throw_errno("TUN device " + name);
}

Path::Path(std::string name, std::array<int, 2> devices, std::uint64_t seed, const PathSettings& settings)
    : name_(std::move(name)),
      devices_(devices),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      links_{Link(pool_, seed * 2 + 1), Link(pool_, seed * 2 + 2)} {
  if (wake_ < 0) throw_errno("eventfd");
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
  set(settings);
}

Path::~Path() {
  thread_.request_stop();
  wake();
  thread_.join();
  pool_.give(spare_);
  for (const int descriptor : {devices_[0], devices_[1], wake_}) ::close(descriptor);
}

void Path::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(wake_, &one, sizeof one);
}

void Path::call(const std::function<void()>& function) {
  std::future<void> done;
  {
    const std::lock_guard guard(mutex_);
    done = calls_.emplace_back(function).get_future();
  }
  has_calls_ = true;
  wake();
  done.get();
}

void Path::set(const PathSettings& settings) {
  call([&] {
    for (const std::size_t direction : directions) links_[direction].set(settings.links[direction], now());
    if (settings.carrier == carrier_) return;
    carrier_ = settings.carrier;
    for (const int device : devices_) set_carrier(device, carrier_);
  });
}

PathSettings Path::settings() {
  PathSettings found;
  call([&] {
    for (const std::size_t direction : directions) found.links[direction] = links_[direction].settings();
    found.carrier = carrier_;
  });
  return found;
}

PathStats Path::stats(bool restart) {
  PathStats found;
  call([&] {
    for (const std::size_t direction : directions) {
      found.links[direction] = links_[direction].stats();
      if (restart) links_[direction].stats() = {};
    }
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    found.cpu_s = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  });
  return found;
}

void Path::loop(const std::stop_token& stop) {
  ::prctl(PR_SET_NAME, ("lab-" + name_).substr(0, 15).c_str());
  ::prctl(PR_SET_TIMERSLACK, 1);        // wake on time, not within 50 us
  ::setpriority(PRIO_PROCESS, 0, -10);  // this thread: the network comes before those who use it
  while (!stop.stop_requested()) {
    if (has_calls_.exchange(false)) run_calls();
    const bool busy_forward = carry(0), busy_backward = carry(1);
    if (!busy_forward && !busy_backward) wait();
  }
}

void Path::run_calls() {
  std::vector<std::packaged_task<void()>> calls;
  {
    const std::lock_guard guard(mutex_);
    calls.swap(calls_);
  }
  for (auto& each : calls) each();
}

/// Some packets in and some out. False: there is nothing more to do now.
bool Path::carry(std::size_t direction) {
  bool busy = false;
  Link& link = links_[direction];
  for (int i = 0; i < batch_max; ++i) {
    if (spare_ == nullptr) spare_ = pool_.take(read_bytes_max);
    const ssize_t got = ::read(devices_[direction], spare_->data(), read_bytes_max);
    if (got <= 0) break;
    busy = true;
    Packet packet;
    packet.bytes = static_cast<std::uint32_t>(got);
    if (packet.bytes <= snug_max) {
      packet.body = pool_.take(packet.bytes);
      std::memcpy(packet.body->data(), spare_->data(), packet.bytes);
    } else {
      packet.body = std::exchange(spare_, nullptr);
    }
    if (!inspect(packet)) {
      release(pool_, packet);
      continue;
    }
    if (link.settings().state == LinkState::reset) answer_reset(packet, direction);
    link.enter(packet, now());
  }
  const int out = devices_[1 - direction];
  const int left = link.leave(now(), batch_max, [out](const Packet& packet) { return write_packet(out, packet); });
  return busy || left == batch_max;
}

void Path::answer_reset(const Packet& packet, std::size_t direction) {
  Packet reset = reset_for(pool_, packet);
  if (reset.body == nullptr) return;
  if (write_packet(devices_[direction], reset)) ++links_[direction].stats().resets;
  release(pool_, reset);
}

void Path::wait() {
  const Nanoseconds due = std::min(links_[0].next_due(), links_[1].next_due());
  timespec left{};
  if (due != std::numeric_limits<Nanoseconds>::max()) {
    const Nanoseconds wait = due - now();
    if (wait <= 0) return;
    left = {wait / one_s, wait % one_s};
  }
  std::array<pollfd, 3> watched = {{{devices_[0], POLLIN, 0}, {devices_[1], POLLIN, 0}, {wake_, POLLIN, 0}}};
  ::ppoll(watched.data(), watched.size(), left.tv_sec == 0 && left.tv_nsec == 0 ? nullptr : &left, nullptr);
  std::uint64_t count = 0;
  if (watched[2].revents != 0 && ::read(wake_, &count, sizeof count) < 0)
    return;  // nothing to do about it: woken anyway
}

}  // namespace longhaul::lab
