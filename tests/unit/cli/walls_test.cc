// Walls cannot be taken down again, so that each test tries them in a process of its own.
#include "cli/walls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "cli/descriptor.h"
#include "cli/landlock.h"
#include "cli/syscall_filter.h"
#include "folder.h"

namespace longhaul::cli {
namespace {

/// Runs in a child, and tells there what was wrong.
class Trial {
 public:
  void expect(bool holds, const char* what) {
    if (holds) return;
    failed_ = true;
    (void)!::write(STDERR_FILENO, what, std::char_traits<char>::length(what));
    (void)!::write(STDERR_FILENO, "\n", 1);
  }
  /// The call has failed, and just so.
  void refused(bool failed, int expected, const char* what) { expect(failed && errno == expected, what); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

constexpr int not_here = 77;

/// What `body` says of itself: 0 all held, 1 something did not, `not_here`.
int in_a_child(const std::function<int(Trial&)>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    Trial trial;
    const int said = body(trial);
    ::_exit(said != 0 ? said : trial.failed() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void check(int said, const char* missing) {
  if (said == not_here) GTEST_SKIP() << missing;
  EXPECT_EQ(said, 0) << "what did not hold stands above";
}

Descriptor make_file(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

int listening_port(const Descriptor& listener) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), plain, bytes) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), plain, &bytes) != 0)
    return 0;
  return ::ntohs(address.sin_port);
}

bool can_connect(int port) {
  const Descriptor dialling(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  address.sin_port = ::htons(static_cast<std::uint16_t>(port));
  return ::connect(dialling.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

class WallsTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const { return folder_.file(name); }
  void SetUp() override {
    for (const char* name : {"target", "target/deep", "elsewhere"}) ASSERT_EQ(::mkdir(in(name).c_str(), 0700), 0);
    ASSERT_TRUE(make_file(in("target/old")));
    ASSERT_TRUE(make_file(in("elsewhere/secret")));
  }
  Folder folder_;
};

TEST_F(WallsTest, LandlockKeepsToTheTarget) {
  check(in_a_child([&](Trial& trial) {
          ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
          if (const Result<> held =
                  restrict_reach({.write = {in("target")}, .read = {"/etc"}, .devices = {}, .dials = true});
              !held)
            return held.error().code == Code::unsupported ? not_here : 1;
          trial.expect(bool(make_file(in("target/new"))), "a file can be made in the target");
          trial.expect(::rename(in("target/old").c_str(), in("target/deep/old").c_str()) == 0,
                       "and moved between its directories");
          trial.expect(::truncate(in("target/new").c_str(), 4096) == 0, "and cut");
          trial.expect(::symlink("/etc/passwd", in("target/link").c_str()) == 0, "symlinks can be made");
          trial.expect(::unlink(in("target/new").c_str()) == 0, "files can be removed");
          trial.expect(bool(Descriptor(::open("/etc/passwd", O_RDONLY | O_CLOEXEC))), "what may be read can be read");
          trial.refused(::open("/etc/passwd", O_WRONLY | O_CLOEXEC) < 0, EACCES, "but not written");
          trial.refused(::open(in("elsewhere/secret").c_str(), O_RDONLY | O_CLOEXEC) < 0, EACCES, "a secret is read");
          trial.refused(!make_file(in("elsewhere/new")), EACCES, "a file is made elsewhere");
          trial.refused(::rename(in("target/deep/old").c_str(), in("elsewhere/old").c_str()) != 0, EACCES,
                        "a file is moved out");
          trial.refused(::truncate(in("elsewhere/secret").c_str(), 0) != 0, EACCES, "a file is cut elsewhere");
          trial.refused(::unlink(in("elsewhere/secret").c_str()) != 0, EACCES, "a file is removed elsewhere");
          std::thread later(
              [&] { trial.refused(!make_file(in("elsewhere/new")), EACCES, "a later thread makes a file elsewhere"); });
          later.join();
          return 0;
        }),
        "this kernel has no landlock");
}

TEST_F(WallsTest, WhoOnlyListensCannotDial) {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int port = listening_port(listener);
  ASSERT_NE(port, 0);
  for (const bool dials : {true, false}) {
    check(in_a_child([&](Trial& trial) {
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 4) return not_here;
            trial.expect(bool(restrict_reach({.write = {}, .read = {}, .devices = {}, .dials = dials})),
                         "landlock holds");
            trial.expect(can_connect(port) == dials, dials ? "who dials can dial" : "who listens cannot dial");
            return 0;
          }),
          "this kernel's landlock does not know TCP (before 6.7)");
  }
}

TEST_F(WallsTest, ADirectoryThatIsNotThereIsSaid) {
  check(in_a_child([&](Trial& trial) {
          const Result<> held =
              restrict_reach({.write = {in("missing")}, .read = {"/nowhere"}, .devices = {}, .dials = true});
          if (!held && held.error().code == Code::unsupported) return not_here;
          trial.expect(!held && held.error().text.find("missing") != std::string::npos, "the words name the directory");
          trial.expect(bool(make_file(in("elsewhere/new"))), "and nothing has been restricted");
          return 0;
        }),
        "this kernel has no landlock");
}

TEST_F(WallsTest, NoProgramIsStarted) {
  check(in_a_child([](Trial& trial) {
          ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
          if (!filter_system_calls(false)) return not_here;
          char name[] = "/bin/true";
          char* arguments[] = {name, nullptr};
          trial.refused(::execve(name, arguments, arguments + 1) != 0, EPERM, "a program takes this one's place");
          pid_t pid = 0;
          trial.expect(::posix_spawn(&pid, name, nullptr, nullptr, arguments, arguments + 1) == EPERM,
                       "a program is spawned");
          trial.refused(::fork() < 0, EPERM, "a process is forked");
          trial.refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0, EPERM, "ptrace works");
          trial.refused(::unshare(CLONE_NEWUSER) != 0, EPERM, "a name space is made");
          trial.refused(::syscall(SYS_bpf, 0, nullptr, 0) < 0, EPERM, "bpf works");
          trial.refused(::socket(AF_PACKET, SOCK_RAW, 0) < 0, EPERM, "a packet socket is made");
          for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK})
            trial.expect(bool(Descriptor(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0))) || errno == EAFNOSUPPORT,
                         "a socket of the families that are used can be made");
          bool ran = false;
          std::thread([&] { ran = true; }).join();
          trial.expect(ran, "threads can be started");
          return 0;
        }),
        "this kernel has no seccomp");
}

TEST_F(WallsTest, NoDeviceNodesEvenForRoot) {
  check(in_a_child([&](Trial& trial) {
          ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
          if (!filter_system_calls(false)) return not_here;
          trial.refused(::mknod(in("disk").c_str(), S_IFBLK | 0600, 0x800) != 0, EPERM, "a block device is made");
          trial.refused(::mknod(in("null").c_str(), S_IFCHR | 0600, 0x103) != 0, EPERM, "a character device is made");
          trial.expect(::mknod(in("pipe").c_str(), S_IFIFO | 0600, 0) == 0, "a FIFO can be made");
          return 0;
        }),
        "this kernel has no seccomp");
}

TEST_F(WallsTest, RootKeepsWhatFilesNeed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: others have no capabilities to begin with";
  check(in_a_child([&](Trial& trial) {
          trial.expect(bool(drop_capabilities(false)), "capabilities can be dropped");
          trial.expect(::chown(in("target/old").c_str(), 12345, 12345) == 0, "files can be given away");
          trial.expect(bool(Descriptor(::open(in("target/old").c_str(), O_RDWR | O_CLOEXEC))),
                       "and opened all the same");
          trial.refused(::chroot("/") != 0, EPERM, "chroot works");
          // Not by libc, which asks for all threads: the sanitizers' own keep their capabilities.
          trial.refused(::syscall(SYS_setgid, 12345) != 0, EPERM, "another group is taken");
          return 0;
        }),
        "");
}

TEST_F(WallsTest, AReceiverHasThemAllAndASenderReadsOn) {
  for (const Verb verb : {Verb::receive, Verb::send}) {
    check(in_a_child([&](Trial& trial) {
            Command command;
            command.verb = verb;
            command.target = in("target");
            command.report_file = in("elsewhere/report");
            command.control = false;
            const Walls walls = put_up_walls(command);
            if (!walls.missing.empty()) return not_here;
            trial.expect(
                walls.standing == (verb == Verb::receive ? "landlock, capabilities, seccomp" : "capabilities, seccomp"),
                "all of them are named");
            trial.expect(bool(make_file(in("target/new"))), "the target can be written");
            trial.expect(bool(make_file(in("elsewhere/report"))), "the report can be written");
            trial.expect(bool(Descriptor(::open("/proc/self/status", O_RDONLY | O_CLOEXEC))), "/proc can be read");
            const bool reads = bool(Descriptor(::open(folder_.file(".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
            trial.expect(reads == (verb == Verb::send), "only a sender reads elsewhere");
            trial.refused(::fork() < 0, EPERM, "a process is forked");
            return 0;
          }),
          "this kernel lacks one of the walls");
  }
}

}  // namespace
}  // namespace longhaul::cli
