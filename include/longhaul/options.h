// What a caller may set. Every default is the one the command line uses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

/// One way between the two endpoints, as the dialling side names it.
struct PathOptions {
  std::string name;    ///< shown in progress and report; must be unique; empty: "path1", "path2", ...
  std::string local;   ///< local address to bind, without port; empty: the kernel chooses
  std::string remote;  ///< ADDR or ADDR:PORT; empty: the ticket's address; without port: the ticket's port
  std::uint64_t cap_bits_per_s = 0;  ///< upper limit of this path on average; 0: none
  unsigned streams = 0;              ///< TCP connections on this path; 0: `Options::streams`
  std::string congestion;            ///< TCP congestion control ("cubic", "bbr"); empty: the system's
};

/// How data is sealed on the wire. Until the security work lands there is only `none`, and it must be named.
enum class Cipher : std::uint8_t { unset, none };

struct Options {
  std::vector<PathOptions> paths;         ///< dialling side only; empty: one path per address in the ticket
  std::vector<std::string> listen;        ///< listening side only; ADDR[:PORT]; empty: 127.0.0.1 and a free port
  std::string advertise_host;             ///< unused for now; the ticket lists `listen`
  unsigned streams = 0;                   ///< streams per path; 0: automatic (a fixed number until the paths issue)
  unsigned workers = 0;                   ///< worker threads; 0: one per core, at most 8
  std::uint64_t chunk_bytes = 0;          ///< bytes per chunk: a multiple of 8 MiB up to 512 MiB; 0: 8 MiB
  bool direct = true;                     ///< use O_DIRECT where the file system offers it
  Cipher cipher = Cipher::unset;          ///< both sides must name `none`
  double retry_for_s = 300;               ///< how long to wait for a peer that is away before giving up
  double stall_after_s = 300;             ///< no byte of progress for so long while connected: give up (exit 7)
  double ticket_valid_s = 7 * 24 * 3600;  ///< listening side: a ticket expires so long after it was printed
  bool keep = false;                      ///< receiver that listens: serve transfer after transfer
  bool file_events = false;               ///< sender: tell of each file that all of it is durable at the receiver
};

}  // namespace longhaul
