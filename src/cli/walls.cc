#include "cli/walls.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>

#include <filesystem>

#include "cli/landlock.h"
#include "cli/live_names.h"
#include "cli/path_values.h"
#include "cli/syscall_filter.h"

namespace longhaul::cli {
namespace {

std::string directory_of(const std::string& file) {
  const std::string parent = std::filesystem::path(file).parent_path();
  return parent.empty() ? "." : parent;
}

/// What providers of libfabric open beyond what everybody has: nothing, unless one was asked for.
void open_to_fabrics(const Options& engine, Reach& reach) {
  for (const std::string& provider : fabrics_asked_for(engine)) {
    std::error_code none;
    if (provider.starts_with("shm") && std::filesystem::exists("/dev/shm", none)) reach.write.emplace_back("/dev/shm");
    if (provider.starts_with("verbs") || provider.starts_with("efa")) reach.devices.emplace_back("/dev/infiniband");
    reach.dials = true;  // sockets and udp;ofi_rxd have no side that only listens
  }
}

Reach reach_of(const Command& command) {
  Reach reach;
  std::error_code none;
  const bool is_there = std::filesystem::exists(command.target, none);  // it is not made for a dry run
  if (!command.to_stdout && is_there) reach.write.push_back(command.target);
  if (!command.to_stdout && !is_there) reach.read.push_back(directory_of(command.target));
  // These are written beside what is there, or at the end.
  for (const std::string& file : {command.report_file, command.ticket_file})
    if (!file.empty()) reach.write.push_back(directory_of(file));
  if (command.control && make_live_directory(live_directory())) reach.write.push_back(live_directory());
  // Names of hosts, the time zone, OpenSSL's configuration, what the C library loads when it needs it; what the kernel
  // says of the machine and of this process.
  for (const char* place :
       {"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/proc", "/sys", "/dev/null", "/dev/urandom"})
    reach.read.emplace_back(place);
  if (command.trusted_only && !trust_file_of(command).empty())  // read whenever somebody comes
    reach.read.push_back(directory_of(trust_file_of(command)));
  reach.dials = !command.ticket.empty();
  open_to_fabrics(command.engine, reach);
  return reach;
}

}  // namespace

Walls put_up_walls(const Command& command) {
  Walls walls;
  std::vector<std::string> standing;
  const auto note = [&](const Result<>& done, const char* name) {
    if (done)
      standing.emplace_back(name);
    else
      walls.missing.push_back(done.error().text);
  };
  // Without it only root may put up the others, and with it no program that this one starts gains anything.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (command.verb == Verb::receive) note(restrict_reach(reach_of(command)), "landlock");
  const bool makes_devices = command.verb == Verb::receive && command.special;
  note(drop_capabilities(makes_devices), "capabilities");
  note(filter_system_calls(makes_devices), "seccomp");
  walls.standing = fmt::format("{}", fmt::join(standing, ", "));
  return walls;
}

}  // namespace longhaul::cli
