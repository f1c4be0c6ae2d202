#include "cli/usage_text.h"

#include <fmt/format.h>

#include <iterator>

namespace longhaul::cli {
namespace {

constexpr unsigned receive = static_cast<unsigned>(Verb::receive);
constexpr unsigned send = static_cast<unsigned>(Verb::send);
constexpr unsigned copy = static_cast<unsigned>(Verb::copy);
constexpr unsigned verify = static_cast<unsigned>(Verb::verify);
constexpr unsigned version = static_cast<unsigned>(Verb::version);
constexpr unsigned peers = receive | send;
constexpr unsigned movers = peers | copy;  // copy: from or to another machine, where it says so
constexpr unsigned list = static_cast<unsigned>(Verb::list);
constexpr unsigned path = static_cast<unsigned>(Verb::path);
constexpr unsigned live = list | path | static_cast<unsigned>(Verb::pause) | static_cast<unsigned>(Verb::resume) |
                          static_cast<unsigned>(Verb::rate);
constexpr unsigned plan = static_cast<unsigned>(Verb::plan);
constexpr unsigned keygen = static_cast<unsigned>(Verb::keygen);
constexpr unsigned trust = static_cast<unsigned>(Verb::trust);
constexpr unsigned manifest = static_cast<unsigned>(Verb::manifest);
constexpr unsigned diff = static_cast<unsigned>(Verb::diff);
constexpr unsigned bench = static_cast<unsigned>(Verb::bench);
constexpr unsigned select = send | copy | plan | manifest;
constexpr unsigned all = movers | plan | verify | manifest | diff | version;

constexpr VerbText verbs[] = {
    {Verb::receive, "receive",
     "receive [OPTIONS] [--listen ADDR[:PORT]]... TARGET_DIR | TICKET TARGET_DIR | --stdout [TICKET]",
     "Take a transfer into a directory (or to stdout). Without a TICKET: listen, and print a ticket for the sender.",
     "Examples:\n"
     "  longhaul receive --listen 10.0.0.2 /data       prints a ticket; give it to 'longhaul send'\n"
     "  longhaul receive @ticket /data                 dials a sender that listens\n"
     "  longhaul receive --stdout --ticket-file t | tar x\n"
     "The same command again continues what was interrupted, with the same ticket.\n"},
    {Verb::send, "send",
     "send [OPTIONS] [--path KEY=VALUE,...]... SOURCE... TICKET | --listen ADDR[:PORT] SOURCE... | --name NAME - "
     "TICKET",
     "Send files and directories to the receiver that printed TICKET. 'dir' lands as TARGET/dir, 'dir/' lands its "
     "content.",
     "TICKET is the text, @FILE, '$LONGHAUL_TICKET' (also taken when the last argument is no ticket) or - (stdin).\n"
     "Examples:\n"
     "  longhaul send checkpoints/ @ticket\n"
     "  longhaul send --path name=a,local=10.0.1.1 --path name=b,local=10.0.2.1,cap=2Gbps data @ticket\n"
     "  tar c . | longhaul send --name all.tar - @ticket\n"
     "  longhaul send --listen 10.0.0.1 data             prints a ticket for 'longhaul receive'\n"},
    {Verb::copy, "copy", "copy [OPTIONS] SOURCE... TARGET_DIR | SOURCE... HOST:TARGET_DIR | HOST:SOURCE... TARGET_DIR",
     "Copy on this machine, or from or to another one: ssh starts the other end, the data takes paths of its own.",
     "HOST is what ssh takes: a name, USER@NAME, an alias. 'HOST:dir' is beneath the home directory there; './a:b' is "
     "a file here.\n"
     "Without --path the data goes where ssh came in; longhaul must be installed on both machines.\n"
     "Examples:\n"
     "  longhaul copy dataset /mnt/backup     lands as /mnt/backup/dataset\n"
     "  longhaul copy dataset/ /mnt/backup    lands the content\n"
     "  longhaul copy dataset ops@far:/data\n"
     "  longhaul copy --ssh 'ssh -p 2222' --path name=a,remote=10.0.1.2 --path name=b,remote=10.0.2.2 dataset "
     "far:/data\n"
     "  longhaul copy far:/data/run7 .\n"},
    {Verb::plan, "plan", "plan [OPTIONS] [--path KEY=VALUE,...]... SOURCE...",
     "Tell files and bytes of the sources, and how long the paths would take and cost. Sends nothing, dials nobody.",
     "A path is taken to carry its cap, or what --rates says of it. What is at the target already is not known here.\n"
     "Examples:\n"
     "  longhaul plan checkpoints/\n"
     "  longhaul plan --paths paths.toml --rates last-report.json --deadline 06:00 --max-cost 400 dataset\n"},
    {Verb::verify, "verify", "verify [OPTIONS] TARGET_DIR | DIR --manifest FILE [--signer NAME|FINGERPRINT]",
     "Read a target again and compare every file with the manifest that its transfers wrote, or with one from "
     "elsewhere.",
     "Examples:\n"
     "  longhaul verify /data && echo every byte is as it was sent\n"
     "  longhaul verify /data --manifest dataset.manifest --signer gpu7\n"},
    {Verb::manifest, "manifest", "manifest [OPTIONS] DIR [-o FILE] | --show FILE|TARGET_DIR",
     "Read a directory once and write its manifest: every file with size, time and digest, and the root of the tree.",
     "Paths are relative to DIR. 'longhaul send SOURCE... --manifest-only FILE' writes the manifest of what would "
     "land.\n"
     "Examples:\n"
     "  longhaul manifest /data -o data.manifest\n"
     "  longhaul manifest /data --sign -o data.manifest     with SHA-256, signed by this user's key\n"
     "  longhaul manifest --show data.manifest\n"},
    {Verb::diff, "diff", "diff [OPTIONS] A B",
     "Compare two manifests; each is a file, or a directory that transfers have landed in. Reads no other file.",
     "A line a difference: '- path' only in A, '+ path' only in B, '~ path' other content, 't path' only another "
     "time.\n"
     "Exit status: 0 no difference, 1 some, 2 and more: trouble.\n"
     "Examples:\n"
     "  longhaul diff monday.manifest /data\n"},
    {Verb::list, "list", "list [OPTIONS]", "Show the transfers of this user that run on this machine.",
     "Examples:\n"
     "  longhaul list\n"
     "  longhaul list --json | jq -r '.id + \" \" + (.rate | tostring)'\n"},
    {Verb::path, "path",
     "path list TRANSFER | add TRANSFER KEY=VALUE,... | drain|disable|enable|remove TRANSFER NAME | cap TRANSFER NAME "
     "RATE|none | probe [PROVIDER [ADDR|DEVICE]]",
     "Show or change the paths of a transfer that runs; 'probe' tells which fabrics (RDMA) this machine has.",
     "TRANSFER is the beginning of its id as 'longhaul list' shows it, a process id, or - for the only one.\n"
     "  drain    no new chunks; it rests when what it carries has arrived\n"
     "  disable  its streams close at once, their chunks go elsewhere\n"
     "  remove   as disable, and it is known no more; what it carried stays in the report\n"
     "Examples:\n"
     "  longhaul path list -\n"
     "  longhaul path add 3fa9 name=c,local=10.0.3.1,remote=10.0.3.2,cap=5Gbps\n"
     "  longhaul path drain 3fa9 c\n"
     "  longhaul path cap 3fa9 a 400Mbps\n"
     "  longhaul path probe             all providers of libfabric, and why some are missing\n"
     "  longhaul path probe verbs mlx5_0\n"},
    {Verb::pause, "pause", "pause [OPTIONS] TRANSFER", "Stop sending, until 'longhaul resume'; nothing times out.",
     "Examples:\n"
     "  longhaul pause -\n"},
    {Verb::resume, "resume", "resume [OPTIONS] TRANSFER", "Go on with a transfer that was paused.",
     "Examples:\n"
     "  longhaul resume -\n"},
    {Verb::rate, "rate", "rate [OPTIONS] TRANSFER RATE|none", "Limit all paths of a transfer together.",
     "Examples:\n"
     "  longhaul rate - 2Gbps\n"
     "  longhaul rate 3fa9 none\n"},
    {Verb::keygen, "keygen", "keygen [OPTIONS]",
     "Make the key by which peers know this user on this machine, and print its fingerprint. One that is there stays.",
     "'send' and 'receive' make it themselves when they first need it.\n"
     "Examples:\n"
     "  longhaul keygen\n"
     "  longhaul keygen --identity /etc/longhaul/mover.pem\n"},
    {Verb::trust, "trust", "trust add NAME FINGERPRINT [ADDR:PORT]... | list | remove NAME",
     "Say which peers' keys are known: who may come without a ticket (--trusted), and who can be dialled by name "
     "(--peer).",
     "FINGERPRINT is what 'longhaul keygen' prints on the peer's machine, ADDR:PORT where it listens.\n"
     "Examples:\n"
     "  longhaul trust add gpu7 SHA256:Zk3q...\n"
     "  longhaul receive --trusted --keep --listen 0.0.0.0:4711 /data     takes from gpu7, again and again\n"
     "  longhaul trust add store SHA256:b81x... store.example:4711       on gpu7\n"
     "  longhaul send checkpoints/ --peer store                          on gpu7\n"},
    {Verb::bench, "bench", "bench hash | disk [DIR] [--read FILE] | wire | path --listen ADDR[:PORT] | path TICKET",
     "Measure what this machine's processor, disk and TCP can do by themselves, or what paths to another machine "
     "carry; "
     "tell what to change.",
     "  hash    digests, ciphers, packing: a core, and all of them at once\n"
     "  disk    writes a file into DIR, syncs it, reads it and is rid of it again; --read FILE only reads\n"
     "  wire    TCP over loopback, in clear and sealed, nothing at either end\n"
     "  path    to another machine, on which 'longhaul bench path --listen ADDR' runs: each path alone, then all\n"
     "Examples:\n"
     "  longhaul bench disk /data --size 16G\n"
     "  longhaul bench disk --read /data/model.safetensors\n"
     "  longhaul bench wire --streams 4 --cipher chacha20-poly1305\n"
     "  longhaul bench path --path name=a,local=10.0.1.1 --path name=b,local=10.0.2.1 @ticket\n"},
    {Verb::version, "version", "version [--verbose]", "Print the version; with --verbose what this machine can do.",
     "Examples:\n"
     "  longhaul version --verbose\n"},
};

constexpr OptionText options[] = {
    {"--listen", "ADDR[:PORT]", true, peers | bench,
     "listen here and print a ticket; repeatable (receive: 127.0.0.1 unless told)"},
    {"--fabric", "PROVIDER", true, movers,
     "also take paths whose files go by RDMA over this provider of libfabric (verbs, efa, tcp, shm ...), repeatable; "
     "who dials says transport=fabric:PROVIDER of a path"},
    {"--path", "KEY=VALUE,...", true, movers | path | plan | bench,
     "one way to the peer that is dialled, repeatable; keys: name, local, device, remote, cap, streams, weight, cost, "
     "tags, "
     "dscp, cc, transport, slots"},
    {"--paths", "FILE", false, movers | plan | bench, "paths and policy from a TOML file; see longhaul(1), PATHS FILE"},
    {"--discover", "LIST", false, movers,
     "look for further paths to the peer; LIST: auto, or interfaces and networks that may be used: eth1,10.0.0.0/8"},
    {"--require", "TAG[,TAG...]", true, movers | plan,
     "carry bytes only on paths that have all of these tags; repeatable"},
    {"--forbid", "TAG[,TAG...]", true, movers | plan,
     "never carry a byte on a path that has one of these tags; repeatable"},
    {"--cap", "RATE", false, movers | plan, "the most that all paths together may carry"},
    {"--schedule", "TEXT", false, movers,
     "rates of all paths together by local time: 'mon-fri 08:00-18:00=10Gbps,22:00-06:00=none'"},
    {"--deadline", "TIME", false, send | copy | plan,
     "by when it should be done (+4h, 06:00, 2026-12-01T06:00): the cheapest paths carry while they suffice"},
    {"--max-cost", "MONEY", false, send | copy | plan,
     "what all paths together may cost (cost= of a path); never more is spent"},
    {"--rates", "FILE", false, plan, "take the rates of paths from what --report wrote of an earlier transfer"},
    {"--cipher", "CIPHER", false, movers | bench,
     "auto, aes-256-gcm, aes-128-gcm, chacha20-poly1305 seal the data (auto: as the peer says, or aes-256-gcm); none: "
     "data "
     "in clear, if both sides say so"},
    {"--compress", "auto|zstd[:LEVEL]|none", false, send | copy,
     "pack what crosses: always, or auto: while the paths are the limit and content shrinks by a tenth (none)"},
    {"--delta", nullptr, false, send | copy,
     "compare large files with older versions at the target, and send only what differs (they are sent whole)"},
    {"-c,--checksum", nullptr, false, send | copy,
     "compare files of one size by their content, SHA-256 of it, instead of size and time: what is the same is not "
     "sent"},
    {"--trust-xxh", nullptr, false, send | copy,
     "with --delta or --checksum: compare by XXH3-128 instead of SHA-256: faster, and no help against content that was "
     "made up"},
    {"--identity", "FILE", false, movers | keygen | manifest, "the key of this side (~/.config/longhaul/identity)"},
    {"--trusted", nullptr, false, peers,
     "listen without a ticket: admit those whose keys 'longhaul trust' knows, and nobody else"},
    {"--peer", "NAME", false, peers,
     "dial the listener that 'longhaul trust' knows by this name, in place of a TICKET"},
    {"--trust-file", "FILE", false, peers | trust | verify | manifest,
     "where trusted peers are written down (~/.config/longhaul/trusted)"},
    {"--ssh", "COMMAND", false, copy, "what starts the other end, with its options: 'ssh -p 2222 -i key' (ssh)"},
    {"--remote-longhaul", "PROGRAM", false, copy, "what longhaul is called on the other machine (longhaul)"},
    {"--leash", nullptr, false, peers,
     "end when standard input ends, and listen where ssh came in: for what 'longhaul copy' starts"},
    {"--force", nullptr, false, keygen | trust,
     "keygen: make a new key in place of the one that is there, which peers will not know; trust add: a peer has a new "
     "key"},
    {"--exclude", "PATTERN", true, select,
     "leave out what matches, as rsync does ('*.o', '/cache/', 'logs/**'); repeatable"},
    {"--include", "PATTERN", true, select, "take what matches, whatever a later rule says; repeatable"},
    {"-f,--filter", "RULE", true, select,
     "a rule in full: '- PATTERN', '+ PATTERN', 'H', 'S', 'P' or 'R PATTERN', '. FILE', '!'; repeatable"},
    {"--exclude-from", "FILE", true, select, "patterns to leave out, one a line"},
    {"--include-from", "FILE", true, select, "patterns to take, one a line"},
    {"--min-size", "SIZE", false, select, "leave out smaller files"},
    {"--max-size", "SIZE", false, select, "leave out larger files"},
    {"--newer", "TIME", false, select,
     "only files that were changed since: 24h (within the last day), 2026-12-01[T06:00]"},
    {"-x,--one-file-system", nullptr, false, select, "do not look into directories on other file systems"},
    {"-a,--archive", nullptr, false, movers | plan,
     "keep everything: --owner --xattrs --acls --hard-links --special (receive: --special)"},
    {"-o,--owner", nullptr, false, send | copy,
     "keep user and group, by name where both machines know it; to give files away the receiver must be root"},
    {"--numeric-ids", nullptr, false, send | copy, "with --owner: by number only"},
    {"-X,--xattrs", nullptr, false, send | copy, "keep extended attributes"},
    {"-A,--acls", nullptr, false, send | copy, "keep POSIX ACLs"},
    {"-H,--hard-links", nullptr, false, select, "several names of one file stay one file"},
    {"--special", nullptr, false, movers,
     "pipes, sockets, devices; receive: also setuid and setgid bits and security attributes. Both sides must say so"},
    {"--no-sparse", nullptr, false, send | copy, "fill holes of files with zeros at the target (they are kept)"},
    {"--files-from", "FILE", false, select,
     "send what FILE names, one name a line, beneath the one directory SOURCE; - is stdin; directories that lead to a "
     "name arrive too, the content of a directory only of 'dir/', or with -r"},
    {"-0,--from0", nullptr, false, select,
     "names and patterns in files end in NUL, not with their line (find -print0)"},
    {"-r,--recursive", nullptr, false, select,
     "with --files-from: directories that are named arrive with all beneath them, as they always do without it"},
    {"-u,--update", nullptr, false, send | copy, "leave alone files that are newer at the target"},
    {"--existing", nullptr, false, send | copy, "make nothing that is not at the target: only bring up to date"},
    {"--ignore-existing", nullptr, false, send | copy,
     "leave alone what is at the target in any version: only bring what is missing"},
    {"--delete", nullptr, false, send | copy,
     "delete what the target has and the sources have not, below directories that are sent with their content; a "
     "receiver "
     "must have said --allow-delete. Not after errors"},
    {"--delete-excluded", nullptr, false, send | copy,
     "with --delete: also what rules leave out (which stays otherwise)"},
    {"--ignore-errors", nullptr, false, send | copy,
     "with --delete: also when something could not be read, sent or landed"},
    {"--max-delete", "N", false, send | copy,
     "with --delete: at most N files and directories (exit status 8: there are more)"},
    {"--allow-delete", nullptr, false, receive, "let the sender delete what it does not have (its --delete)"},
    {"-n,--dry-run", nullptr, false, movers,
     "send and write nothing; say of each name what would become of it: new, changed, properties, left-alone, delete "
     "(-v: same). receive: take nothing but dry runs"},
    {"--publish", "file|tree", false, send | copy,
     "when it is to be seen at the target: each file as soon as it is whole (file), or each SOURCE as a whole, by one "
     "rename at the end, in place of what stood there (tree)"},
    {"--name", "NAME", false, send | copy,
     "SOURCE is -: send stdin as one file called NAME; else: SOURCE lands as NAME, a directory or (dir/) its content"},
    {"--stdout", nullptr, false, receive,
     "write the one file of the transfer to stdout, in order; the ticket goes to stderr"},
    {"--keep", nullptr, false, receive, "serve transfer after transfer, with a new ticket for each, until a signal"},
    {"--ticket-file", "FILE", false, peers | bench, "also write the ticket to FILE, readable by its owner only"},
    {"--ticket-valid", "DURATION", false, peers, "how long a printed ticket admits a peer (7d)"},
    {"--streams", "N|auto", false, movers | bench,
     "TCP connections on each path (2); auto: found by trying, for long transfers"},
    {"--chunk", "SIZE", false, movers, "bytes per chunk: a multiple of 8MiB up to 512MiB (8MiB)"},
    {"--workers", "N|auto", false, movers | verify | manifest,
     "worker threads (auto: one a core, at most 8); verify, manifest: threads that read files"},
    {"-o,--output", "FILE", false, manifest, "write the manifest to FILE; without it, print its lines"},
    {"--show", "FILE", false, manifest, "print what is in a manifest, or in that of a target, with roots and signer"},
    {"--manifest-only", "FILE", false, send,
     "send nothing, dial nobody: read the sources once and write the manifest of what would land to FILE"},
    {"--sha256", nullptr, false, manifest | send,
     "into the manifest: SHA-256 of every file as well, which withstands attackers, and a root over all of it"},
    {"--sign", nullptr, false, manifest | send, "sign the manifest with the key of this side; brings --sha256"},
    {"--manifest", "FILE", false, verify, "compare with FILE in place of the manifest in TARGET_DIR"},
    {"--signer", "NAME|FINGERPRINT", false, verify,
     "take the manifest only if this key has signed it; NAME: one that 'longhaul trust' knows"},
    {"--exact", nullptr, false, verify, "with --manifest: files that it does not name are differences too"},
    {"--seconds", "N", false, bench, "how long each figure is measured (hash: 0.25, wire: 1, path: 5)"},
    {"--size", "SIZE", false, bench, "disk: so much is written, or read (1GiB)"},
    {"--read", "FILE", false, bench, "disk: read this file, which is left as it is, in place of what was written"},
    {"--no-direct", nullptr, false, movers | bench, "never use O_DIRECT"},
    {"--syncfs", nullptr, false, receive | copy,
     "sync many small files at once by syncing their whole file system, with all that others have written there"},
    {"--no-control", nullptr, false, movers, "have no control socket: list, path, pause, resume, rate find nothing"},
    {"--no-confine", nullptr, false, movers | bench,
     "put up no walls: by default the kernel keeps a receiver to its target, and both sides from starting programs"},
    {"--retry-for", "DURATION", false, movers, "how long to wait for a peer that is away (5m)"},
    {"--stall-timeout", "DURATION", false, movers, "give up after so long without a byte of progress (5m)"},
    {"--report", "FILE", false, movers | verify, "write the final report to FILE as JSON"},
    {"--json", nullptr, false, all | live | keygen | trust | bench, "events on stdout, one JSON object a line"},
    {"-q,--quiet", nullptr, false, all | live, "nothing but errors (and the ticket)"},
    {"-v,--verbose", nullptr, false, movers | verify | version, "also say what happens on paths and to single files"},
};

}  // namespace

std::span<const VerbText> verb_texts() {
  return verbs;
}

const VerbText& text_of(Verb verb) {
  for (const VerbText& text : verbs) {
    if (text.verb == verb) return text;
  }
  return verbs[0];
}

std::span<const OptionText> option_texts() {
  return options;
}

std::string long_name(const OptionText& option) {
  const std::string names = option.names;
  return names.substr(names.rfind("--"));
}

std::string general_help() {
  std::string out =
      "Longhaul moves large files and directories over several network paths at once, checks every byte,\n"
      "and continues after any break.\n\nusage:\n";
  for (const VerbText& text : verbs) out += fmt::format("  longhaul {}\n", text.usage);
  out += "\ncommands:\n";
  for (const VerbText& text : verbs) out += fmt::format("  {:<9}{}\n", text.name, text.purpose);
  out +=
      "\n'longhaul COMMAND --help' tells its options, with examples; longhaul(1) tells all.\n"
      "First use: 'longhaul copy SOURCE TARGET_DIR', then 'longhaul verify TARGET_DIR'.\n";
  return out;
}

}  // namespace longhaul::cli
