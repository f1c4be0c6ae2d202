// The bare blocking loop: what a transfer costs on this machine with nothing but the bytes. Two processes over loopback
// TCP, a few threads a side, each with its own connection: read, digest, send - receive, verify, write. No names, no
// journal, no sync. Longhaul is measured against it.
//
//   floor SOURCE_FILE TARGET_FILE [--threads N] [--congestion NAME] [--direct yes]
//
// An existing target is rewritten in place, a missing one is made: the two cost very different amounts. --direct, for
// disks: O_DIRECT at both ends, pieces of 1 MiB, the target allocated first and synced at the end. Prints a JSON line.

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "two_ends.h"

namespace {

using longhaul::Digest;

constexpr std::size_t piece_bytes_most = 1024 * 1024;
constexpr std::size_t align_bytes = 4096;
constexpr std::uint64_t claim_bytes = 8 * 1024 * 1024;  // what a thread takes at once

/// Stands right before the payload: one send for both. `bytes` 0: no more pieces.
struct Header {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  Digest digest;
};
static_assert(sizeof(Header) == 32);

struct Options {
  std::string source;
  std::string target;
  unsigned threads = 2;
  std::string congestion;
  bool direct = false;
  [[nodiscard]] std::size_t piece_bytes() const { return direct ? piece_bytes_most : 256 * 1024; }
};

struct Link {
  int sender = -1;
  int receiver = -1;
};

struct Buffer {
  std::unique_ptr<std::byte[], void (*)(void*)> memory{
      static_cast<std::byte*>(std::aligned_alloc(align_bytes, align_bytes + piece_bytes_most)), std::free};
  [[nodiscard]] std::byte* payload() const { return memory.get() + align_bytes; }
  [[nodiscard]] std::byte* header() const { return payload() - sizeof(Header); }
};

[[noreturn]] void die(const std::string& what) {
  std::perror(("floor: " + what).c_str());
  std::_Exit(1);
}

void send_all(int fd, const std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
    if (sent < 0) die("send");
    data += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
}

void receive_all(int fd, std::byte* data, std::size_t bytes) {
  if (recv(fd, data, bytes, MSG_WAITALL) != static_cast<ssize_t>(bytes)) die("recv");
}

void send_pieces(int file, int socket, std::uint64_t file_bytes, std::size_t piece_bytes,
                 std::atomic<std::uint64_t>& next) {
  const Buffer buffer;
  for (std::uint64_t claim = next.fetch_add(claim_bytes); claim < file_bytes; claim = next.fetch_add(claim_bytes)) {
    const std::uint64_t end = std::min(claim + claim_bytes, file_bytes);
    for (std::uint64_t offset = claim; offset < end; offset += piece_bytes) {
      const std::size_t bytes = std::min<std::uint64_t>(piece_bytes, end - offset);
      if (pread(file, buffer.payload(), bytes, static_cast<off_t>(offset)) != static_cast<ssize_t>(bytes)) die("read");
      new (buffer.header()) Header{offset, bytes, longhaul::digest_of({buffer.payload(), bytes})};
      send_all(socket, buffer.header(), sizeof(Header) + bytes);
    }
  }
  new (buffer.header()) Header{};
  send_all(socket, buffer.header(), sizeof(Header));
}

void receive_pieces(int file, int socket) {
  const Buffer buffer;
  for (Header header;;) {
    receive_all(socket, reinterpret_cast<std::byte*>(&header), sizeof header);
    if (header.bytes == 0) return;
    if (header.bytes > piece_bytes_most) die("piece too large");
    receive_all(socket, buffer.payload(), header.bytes);
    if (longhaul::digest_of({buffer.payload(), header.bytes}) != header.digest) die("digest");
    const ssize_t written = pwrite(file, buffer.payload(), header.bytes, static_cast<off_t>(header.offset));
    if (written != static_cast<ssize_t>(header.bytes)) die("write");
  }
}

/// The parent makes both ends of every connection; each child uses its own.
std::vector<Link> make_links(const Options& options) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0) die("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t bytes = sizeof address;
  if (bind(listener, generic, bytes) != 0 || listen(listener, 64) != 0) die("listen");
  if (getsockname(listener, generic, &bytes) != 0) die("getsockname");
  std::vector<Link> links;
  links.reserve(options.threads);
  for (unsigned i = 0; i < options.threads; ++i) {
    Link link;
    link.sender = socket(AF_INET, SOCK_STREAM, 0);
    if (link.sender < 0) die("socket");
    const auto name_bytes = static_cast<socklen_t>(options.congestion.size());
    if (name_bytes > 0 &&
        setsockopt(link.sender, IPPROTO_TCP, TCP_CONGESTION, options.congestion.data(), name_bytes) != 0) {
      die("congestion control '" + options.congestion + "'");
    }
    const int one = 1;
    if (setsockopt(link.sender, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) die("TCP_NODELAY");
    if (connect(link.sender, generic, sizeof address) != 0) die("connect");
    link.receiver = accept(listener, nullptr, nullptr);
    if (link.receiver < 0) die("accept");
    links.push_back(link);
  }
  close(listener);
  return links;
}

std::string congestion_of(int socket) {
  char name[16] = {};
  socklen_t bytes = sizeof name;
  if (getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) != 0) die("getsockopt");
  return name;
}

void run_threads(const std::vector<Link>& links, const std::function<void(const Link&)>& work) {
  std::vector<std::jthread> threads;
  threads.reserve(links.size());
  for (const Link& link : links) threads.emplace_back(work, link);
}

Options parse(int argc, char** argv) {
  Options options;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--") && i + 1 < argc) {
      const std::string_view value = argv[++i];
      if (argument == "--congestion") options.congestion = value;
      if (argument == "--threads") std::from_chars(value.data(), value.data() + value.size(), options.threads);
      if (argument == "--direct") options.direct = value == "yes";
      if (argument == "--congestion" || (argument == "--direct" && options.direct) ||
          (argument == "--threads" && options.threads > 0 && options.threads <= 64))
        continue;
    } else if (!argument.starts_with("--")) {
      files.emplace_back(argument);
      continue;
    }
    files.clear();
    break;
  }
  if (files.size() != 2) {
    std::fputs("usage: floor SOURCE_FILE TARGET_FILE [--threads 1..64] [--congestion NAME] [--direct yes]\n", stderr);
    std::exit(2);
  }
  options.source = files[0];
  options.target = files[1];
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const int way = options.direct ? O_DIRECT : 0;
  const int source = open(options.source.c_str(), O_RDONLY | way);
  struct stat stat{};
  if (source < 0 || fstat(source, &stat) != 0) die(options.source);
  const auto bytes = static_cast<std::uint64_t>(stat.st_size);
  const bool rewrite = access(options.target.c_str(), F_OK) == 0;
  const std::vector<Link> links = make_links(options);
  const std::string congestion = congestion_of(links.front().sender);

  if (options.direct && bytes % align_bytes != 0) die(options.source + " is not of whole blocks, as --direct wants it");
  const int target = open(options.target.c_str(), O_WRONLY | O_CREAT | way, 0600);
  if (target < 0 || ftruncate(target, static_cast<off_t>(bytes)) != 0) die(options.target);
  const auto cost = longhaul::bench::run_two_ends(
      [&](auto&) {
        for (const Link& link : links) close(link.receiver);
        std::atomic<std::uint64_t> next = 0;
        run_threads(links,
                    [&](const Link& link) { send_pieces(source, link.sender, bytes, options.piece_bytes(), next); });
      },
      [&](auto&) {
        for (const Link& link : links) close(link.sender);
        if (options.direct && fallocate(target, 0, 0, static_cast<off_t>(bytes)) != 0) die("fallocate");
        run_threads(links, [&](const Link& link) { receive_pieces(target, link.receiver); });
        if (options.direct && fsync(target) != 0) die("fsync");
      },
      [&] {
        for (const Link& link : links) {
          close(link.sender);
          close(link.receiver);
        }
      });
  longhaul::bench::print(
      cost, bytes,
      fmt::format("\"bytes\": {}, \"threads\": {}, \"congestion\": \"{}\", \"target\": \"{}\", \"direct\": {}", bytes,
                  options.threads, congestion, rewrite ? "rewritten" : "new", options.direct));
  return 0;
}
