#include "cli/syscall_filter.h"

#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>

namespace longhaul::cli {
namespace {

using Filter = std::unique_ptr<void, decltype(&::seccomp_release)>;

// What nothing in a mover calls, and what makes a taken-over one worth having.
constexpr std::array forbidden = {
    // other programs and processes
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd),
    // who it is, and what the world looks like to it
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(unshare),
    SCMP_SYS(setns), SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(personality),
    // mounts, swap, quotas
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(mount_setattr), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
    SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(swapon), SCMP_SYS(swapoff),
    SCMP_SYS(quotactl), SCMP_SYS(acct), SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at),
    // the kernel itself
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
    SCMP_SYS(syslog), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
    // clocks and names of the machine
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname)};

/// A call that this machine's architecture does not have is no error.
int forbid(void* filter, int call) {
  const int error = ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
  return error == -EDOM ? 0 : error;
}

int forbid_if(void* filter, int call, scmp_arg_cmp argument) {
  return ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1, argument);
}

/// New threads are made, new processes not. Of clone3 the filter cannot see the arguments; the C library goes back to
/// clone when the kernel has none.
int forbid_processes(void* filter) {
  const int error = forbid_if(filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  if (error != 0) return error;
  return ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

int forbid_device_nodes(void* filter) {
  for (const mode_t kind : std::array<mode_t, 2>{S_IFCHR, S_IFBLK}) {
    int error = forbid_if(filter, SCMP_SYS(mknodat), SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, kind));
    if (error == 0) error = forbid_if(filter, SCMP_SYS(mknod), SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, kind));
    if (error != 0 && error != -EDOM) return error;
  }
  return 0;
}

int forbid_socket_families(void* filter) {
  int error = forbid_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
  for (unsigned family = 0; family < AF_NETLINK && error == 0; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6) continue;
    error = forbid_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family));
  }
  return error;
}

int build(void* filter, bool makes_devices) {
  int error = ::seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  for (const int call : forbidden)
    if (error == 0) error = forbid(filter, call);
  for (int (*more)(void*) : {forbid_processes, forbid_socket_families})
    if (error == 0) error = more(filter);
  if (error == 0 && !makes_devices) error = forbid_device_nodes(filter);
  return error != 0 ? error : ::seccomp_load(filter);
}

constexpr std::uint32_t bit(unsigned capability) {
  return std::uint32_t{1} << capability;
}

// All of them are among the first 32.
constexpr std::uint32_t kept = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) |
                               bit(CAP_FSETID) | bit(CAP_NET_BIND_SERVICE) | bit(CAP_NET_ADMIN) | bit(CAP_NET_RAW) |
                               bit(CAP_IPC_LOCK) | bit(CAP_SYS_RESOURCE) | bit(CAP_SETFCAP);

}  // namespace

Result<> filter_system_calls(bool makes_devices) {
  const Filter filter(::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release);
  if (!filter) return fail(Code::unsupported, "seccomp has no memory for its filter", ENOMEM);
  if (const int error = build(filter.get(), makes_devices); error != 0)
    return fail(Code::unsupported, error_of_errno(-error, "seccomp takes no filter").text, -error);
  return {};
}

Result<> drop_capabilities(bool makes_devices) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return fail_errno(errno, "cannot read the capabilities");
  const auto keep = [](__user_cap_data_struct& set, std::uint32_t mask) {
    set.effective &= mask;
    set.permitted &= mask;
    set.inheritable = 0;
  };
  keep(sets[0], makes_devices ? kept | bit(CAP_MKNOD) : kept);
  keep(sets[1], 0);
  if (::syscall(SYS_capset, &header, sets.data()) != 0) return fail_errno(errno, "cannot drop capabilities");
  return {};
}

}  // namespace longhaul::cli
