// The bare loop over a tree of small files: what landing it atomically and durably costs on this machine without a
// network, a digest or a journal. Some threads take files in turn: read, create in a landing directory, write, give it
// its mode and time; and for each group: sync every file, rename all into place, sync the directories once. Longhaul's
// way of landing small files is measured against it.
//
//   floor_files SOURCE_DIR TARGET_DIR [--threads N] [--group N] [--no-sync|--syncfs]
//
// --syncfs: of each group, the whole file system instead of each file and directory. TARGET_DIR must not be there.
// Prints a JSON line.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t buffer_bytes = 1024 * 1024;

struct Options {
  fs::path source;
  fs::path target;
  unsigned threads = 2;
  std::size_t group = 256;  ///< files that are synced and renamed together, as in a commit of Longhaul's
  bool sync = true;
  bool all_at_once = false;  ///< by syncfs

  [[nodiscard]] bool each() const { return sync && !all_at_once; }
};

[[noreturn]] void die(const std::string& what) {
  std::perror(("floor_files: " + what).c_str());
  std::_Exit(1);
}

struct Landed {
  int fd = -1;
  std::string landing;
  fs::path target;
};

/// One thread's share of the work.
class Mover {
 public:
  Mover(const Options& options, unsigned number)
      : options_(options),
        landing_((options.target / (".landing" + std::to_string(number))).string()),
        buffer_(buffer_bytes) {
    if (mkdir(landing_.c_str(), 0700) != 0) die(landing_);
  }

  void move(const fs::path& file) {
    const fs::path from = options_.source / file;
    const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat stat{};
    if (in < 0 || fstat(in, &stat) != 0) die(from);
    Landed landed{-1, landing_ + "/" + std::to_string(made_++), options_.target / file};
    landed.fd = open(landed.landing.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (landed.fd < 0) die(landed.landing);
    for (ssize_t got = 0; (got = read(in, buffer_.data(), buffer_.size())) != 0;) {
      if (got < 0 || write(landed.fd, buffer_.data(), static_cast<std::size_t>(got)) != got) die(from);
      bytes_ += static_cast<std::uint64_t>(got);
    }
    close(in);
    const timespec times[2] = {stat.st_atim, stat.st_mtim};
    if (fchmod(landed.fd, stat.st_mode & 07777U) != 0 || futimens(landed.fd, times) != 0) die(landed.landing);
    group_.push_back(std::move(landed));
    if (group_.size() == options_.group) publish();
  }

  void publish() {
    std::set<std::string> directories;
    for (const Landed& each : group_)
      if (options_.each() && fsync(each.fd) != 0) die(each.landing);
    sync_all();
    for (const Landed& each : group_) {
      if (rename(each.landing.c_str(), each.target.c_str()) != 0) die(each.target);
      directories.insert(each.target.parent_path());
    }
    directories.insert(landing_);
    for (const std::string& directory : directories) {
      const int fd = options_.each() ? open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
      if (options_.each() && (fd < 0 || fsync(fd) != 0)) die(directory);
      if (fd >= 0) close(fd);
    }
    sync_all();
    for (const Landed& each : group_) close(each.fd);
    group_.clear();
  }

  void end() {
    publish();
    if (rmdir(landing_.c_str()) != 0) die(landing_);
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void sync_all() {
    if (options_.all_at_once && !group_.empty() && syncfs(group_.front().fd) != 0) die(options_.target);
  }

  const Options& options_;
  std::string landing_;
  std::vector<char> buffer_;
  std::vector<Landed> group_;
  std::uint64_t made_ = 0;
  std::uint64_t bytes_ = 0;
};

/// Directories are made at once; the files, below SOURCE.
std::vector<fs::path> walk(const Options& options) {
  if (mkdir(options.target.c_str(), 0777) != 0) die(options.target);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(options.source)) {
    const fs::path below = entry.path().lexically_relative(options.source);
    if (entry.is_directory() && mkdir((options.target / below).c_str(), 0777) != 0) die(options.target / below);
    if (entry.is_regular_file()) files.push_back(below);
  }
  std::sort(files.begin(), files.end());
  return files;
}

unsigned number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) {
    fmt::print(stderr, "floor_files: {} is no number above 0\n", text);
    std::exit(2);
  }
  return value;
}

Options parse(const std::vector<std::string>& words) {
  Options options;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool more = i + 1 < words.size();
    if (words[i] == "--threads" && more)
      options.threads = number(words[++i]);
    else if (words[i] == "--group" && more)
      options.group = number(words[++i]);
    else if (words[i] == "--no-sync")
      options.sync = false;
    else if (words[i] == "--syncfs")
      options.all_at_once = true;
    else
      names.push_back(words[i]);
  }
  if (names.size() != 2) {
    fmt::print(stderr, "usage: floor_files SOURCE_DIR TARGET_DIR [--threads N] [--group N] [--no-sync|--syncfs]\n");
    std::exit(2);
  }
  options.source = names[0];
  options.target = names[1];
  return options;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse({argv + 1, argv + argc});
  auto& clock = longhaul::system_clock();
  const auto begun = clock.now();
  const std::vector<fs::path> files = walk(options);
  std::vector<Mover> movers;
  movers.reserve(options.threads);
  for (unsigned i = 0; i < options.threads; ++i) movers.emplace_back(options, i);
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (Mover& mover : movers) {
    threads.emplace_back([&] {
      constexpr std::size_t claim = 64;  // neighbours share a directory
      for (std::size_t at = next.fetch_add(claim); at < files.size(); at = next.fetch_add(claim))
        for (std::size_t i = at; i < std::min(at + claim, files.size()); ++i) mover.move(files[i]);
      mover.end();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t bytes = 0;
  for (const Mover& mover : movers) bytes += mover.bytes();
  const double seconds = static_cast<double>(clock.now() - begun) / static_cast<double>(longhaul::second);
  fmt::print(
      R"({{"files":{},"bytes":{},"seconds":{:.6f},"cpu_seconds":{:.6f},"threads":{},"group":{},"sync":{},"syncfs":{}}})"
      "\n",
      files.size(), bytes, seconds, cpu_seconds(), options.threads, options.group, options.sync, options.all_at_once);
  return 0;
}
