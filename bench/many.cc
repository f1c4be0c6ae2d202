// Millions of small files that no disk holds: the real engine at both ends of loopback, one process each, with a source
// that makes names and contents up. What a disk would cost to read them is left out, so that what is seen is whether
// memory and files per second stay what they were as the count rises.
//
//   many receive TARGET                 TARGET: a directory, or "null": content is verified and dropped
//   many send TICKET FILES BYTES        FILES files of BYTES each, 1000 to a directory
//
// Both print JSON lines: the ticket (receive), a sample each second, and the end.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/transfer.h"

namespace longhaul::bench {
namespace {

constexpr std::uint64_t files_per_directory = 1000;
constexpr std::int64_t all_mtimes_ns = 1'700'000'000'123'456'789;

/// The bytes of file number `seed`: incompressible, and each word computed by itself.
class MadeUp final : public Reader {
 public:
  MadeUp(std::uint64_t seed, std::uint64_t bytes) : seed_(seed << 32), bytes_(bytes) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset >= bytes_) return std::size_t{0};
    const std::size_t count = std::min<std::uint64_t>(into.size(), bytes_ - offset);
    for (std::size_t done = 0; done < count;) {
      const std::uint64_t at = offset + done;
      const std::uint64_t word = mixed(seed_ + at / sizeof word);
      const std::size_t skip = at % sizeof word;
      const std::size_t piece = std::min(sizeof word - skip, count - done);
      std::memcpy(into.data() + done, reinterpret_cast<const std::byte*>(&word) + skip, piece);
      done += piece;
    }
    return count;
  }

 private:
  static std::uint64_t mixed(std::uint64_t z) {  // splitmix64
    z *= 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::uint64_t seed_;
  std::uint64_t bytes_;
};

/// Entry number i is directory i / 1001, or a file in it.
class ManyFiles final : public Source {
 public:
  ManyFiles(std::uint64_t files, std::uint64_t bytes) : files_(files), bytes_(bytes) {}

  Result<bool> next(std::vector<Entry>& out, std::vector<Error>&, std::size_t max) override {
    for (; max > 0 && file_ < files_; --max) {
      if (file_ % files_per_directory == 0 && !directory_told_) {
        out.push_back(made(EntryType::directory, directory_of(file_)));
        directory_told_ = true;
        continue;
      }
      Entry entry = made(EntryType::file, fmt::format("{}/{:09}.bin", directory_of(file_), file_));
      entry.size = bytes_;
      entry.identity = {all_mtimes_ns, file_ + 1, 1};
      out.push_back(std::move(entry));
      ++file_;
      directory_told_ = false;
    }
    return file_ < files_;
  }
  Result<std::shared_ptr<Reader>> open(const Entry& entry) override {
    return std::make_shared<MadeUp>(entry.identity.inode, bytes_);
  }
  bool rewind() override {
    file_ = 0;
    directory_told_ = false;
    return true;
  }
  std::optional<std::uint64_t> total_bytes() const override { return files_ * bytes_; }

 private:
  static std::string directory_of(std::uint64_t file) { return fmt::format("{:06}", file / files_per_directory); }
  static Entry made(EntryType type, std::string path) {
    Entry entry;
    entry.type = type;
    entry.path = std::move(path);
    entry.mode = type == EntryType::directory ? 0755 : 0644;
    entry.mtime_ns = all_mtimes_ns;
    return entry;
  }

  std::uint64_t files_;
  std::uint64_t bytes_;
  std::uint64_t file_ = 0;
  bool directory_told_ = false;
};

class Dropped final : public Writer {
 public:
  Result<> write_at(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<> finish(std::uint64_t) override { return {}; }
};

class NullSink final : public Sink {
 public:
  Result<std::shared_ptr<Writer>> create(const Entry&) override { return dropped_; }

 private:
  std::shared_ptr<Writer> dropped_ = std::make_shared<Dropped>();
};

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void print(std::string_view what, const Report& report) {
  fmt::print(R"({{"event":"{}","seconds":{:.3f},"files":{},"skipped":{},"found":{},"resident":{},)"
             R"("cpu_sender":{:.3f},"cpu_receiver":{:.3f}}})"
             "\n",
             what, report.seconds, report.files, report.skipped_files, report.files_found, resident_bytes(),
             report.cpu_seconds_sender, report.cpu_seconds_receiver);
  std::fflush(stdout);
}

Observer samples() {
  return [](const Event& event) {
    if (event.type == Event::Type::progress) print("sample", *event.report);
  };
}

int ended(const Outcome& outcome) {
  print("end", outcome.report);
  if (outcome.ok && outcome.report.failed_files == 0) return 0;
  fmt::print(stderr, "many: {}\n", outcome.ok ? "some files failed" : outcome.error.text);
  return 1;
}

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "many: {}\n", result.error().text);
  std::exit(1);
}

int receive(const std::string& target, bool syncfs) {
  Options options;
  options.syncfs = syncfs;
  const auto session = must(Session::listen(options, samples()));
  fmt::print(R"({{"event":"ticket","ticket":"{}"}})"
             "\n",
             session->ticket());
  std::fflush(stdout);
  if (target == "null") return ended(session->receive(std::make_unique<NullSink>()));
  return ended(session->receive(directory_sink(target)));
}

int send(const std::string& ticket, std::uint64_t files, std::uint64_t bytes) {
  return ended(must(Session::dial(ticket, {}, samples()))->send(std::make_unique<ManyFiles>(files, bytes)));
}

int run(std::span<char*> words) {
  const std::string_view verb = words.size() > 1 ? words[1] : "";
  const bool syncfs = verb == "receive" && words.size() == 4 && words[3] == std::string_view("--syncfs");
  if (verb == "receive" && (words.size() == 3 || syncfs)) return receive(words[2], syncfs);
  if (verb == "send" && words.size() == 5)
    return send(words[2], std::strtoull(words[3], nullptr, 10), std::strtoull(words[4], nullptr, 10));
  std::fputs("usage: many receive DIRECTORY|null [--syncfs] | many send TICKET FILES BYTES\n", stderr);
  return 2;
}

}  // namespace
}  // namespace longhaul::bench

int main(int argc, char** argv) {
  return longhaul::bench::run({argv, static_cast<std::size_t>(argc)});
}
