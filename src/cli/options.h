// The command line: arguments in, one checked command out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/live_requests.h"
#include "cli/ticket_source.h"
#include "cli/trust_file.h"
#include "cli/usage_text.h"
#include "longhaul/fabric.h"
#include "longhaul/name_list.h"
#include "longhaul/options.h"

namespace longhaul::cli {

struct Command {
  Verb verb = Verb::version;
  Options engine;
  std::vector<std::string> sources;  ///< send, copy
  Selection selection;               ///< of what is beneath them
  Fidelity fidelity;                 ///< send, copy: what is kept of them
  bool allow_delete = false;         ///< receive: the sender may have deleted what it does not have
  bool special = false;              ///< receive, copy: make what gives powers, if the sender sends it
  std::string files_from;            ///< send, copy, plan: a list of names beneath the one source; "-": stdin
  bool nul_ended = false;            ///< ... in which names end in NUL
  bool recursive = false;            ///< ... and directories that are named arrive with all beneath them
  std::optional<NameList> names;     ///< what is in it, once `read_names` has read it
  std::string target;                ///< receive, copy, verify: a directory
  std::string ticket;                ///< send, receive: dial its listener; empty: listen
  std::string stream_name;           ///< send: not empty: stdin is sent under this name
  std::string source_name;           ///< send, copy: what the one source is called at the target; empty: as it is here
  /// list, path, pause, resume, rate: which command is asked what.
  struct Asked {
    std::string transfer;
    LiveRequest request;
  };
  Asked live;
  std::optional<FabricWish> probe;  ///< path probe: which fabrics are there; asks no other command
  struct Trust {
    enum class Action : std::uint8_t { add, list, remove };
    Action action = Action::list;
    TrustedPeer peer;  ///< remove: its name only
  };
  Trust trust;
  /// manifest, diff, verify, send --manifest-only.
  struct ManifestAsked {
    std::string file;    ///< what is written (empty: stdout), shown, or compared with
    std::string other;   ///< diff: the second one
    std::string signer;  ///< verify: the fingerprint of the key that must have signed; empty: any
    bool show = false;
    bool sha256 = false;
    bool sign = false;
    bool exact = false;
  };
  ManifestAsked manifest;
  /// bench: which one, and how much of it. disk writes into `target`.
  struct BenchAsked {
    enum class What : std::uint8_t { hash, disk, wire, path };
    What what = What::hash;
    double seconds = 0;       ///< of each figure; 0: as usual
    std::uint64_t bytes = 0;  ///< 0: as usual
    std::string read_file;
  };
  BenchAsked bench;
  /// copy: the other end is on another machine and started by ssh.
  struct Remote {
    std::string host;
    std::vector<std::string> paths;  ///< its target, or its sources
    bool sends = false;
  };
  std::optional<Remote> remote;
  std::string ssh = "ssh";
  std::string remote_longhaul = "longhaul";
  bool leash = false;      ///< send, receive: end when standard input does
  bool control = true;     ///< send, receive, copy: have a control socket
  bool to_stdout = false;  ///< receive
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  std::string report_file;
  std::string ticket_file;
  std::string rates_file;     ///< plan: a report
  std::string identity_file;  ///< send, receive, keygen, manifest; empty: the usual one
  bool confine = true;        ///< send, receive, remote copy: put up walls first
  std::string trust_file;     ///< send, receive, trust, verify, manifest; empty: the usual one
  bool trusted_only = false;  ///< send, receive: listen, and admit who is trusted, without a ticket
  bool force = false;         ///< keygen, trust add
};

/// The one that the command names, or the usual one; empty: there is none.
[[nodiscard]] inline std::string trust_file_of(const Command& command) {
  return command.trust_file.empty() ? usual_trust_file() : command.trust_file;
}

/// The command line asks for nothing more than some text: help (exit code 0, on stdout) or a usage error (2, on
/// stderr).
struct Exit {
  int code = 0;
  std::string out;
  std::string err;
};

/// `arguments` without the program's name. Reads the ticket and the file of paths that the
/// arguments name; looks at nothing else.
[[nodiscard]] std::variant<Command, Exit> parse_command_line(const std::vector<std::string>& arguments,
                                                             const Surroundings& surroundings);

}  // namespace longhaul::cli
