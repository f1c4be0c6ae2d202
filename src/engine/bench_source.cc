#include "engine/bench_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "engine/bench_measure.h"

namespace longhaul::engine {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t file_bytes_min = mib;
constexpr std::uint64_t file_bytes_max = 8 * mib;  // one chunk, whatever the path
constexpr std::uint64_t ahead_bytes_min = 4 * mib;
constexpr std::uint64_t content_bytes = mib;
constexpr std::chrono::milliseconds look_every{20};
constexpr std::int64_t mtime_ns = 1'700'000'000'000'000'000;
constexpr const char* more_directory = "more/";
constexpr const char* last_directory = "last/";

/// What has been given out and read, by any thread. What is given out and unread is as much as is read in a second or
/// so: a slow path ends soon after its time, and a quick one does not run dry.
class Account {
 public:
  explicit Account(double seconds) : lasts_(static_cast<Time>(seconds * static_cast<double>(second))) {}

  void read(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    const Time now = system_clock().now();
    if (began_ == 0) began_ = now;
    read_ += bytes;
    moved_.notify_all();
  }
  /// The size of the next file; 0: not now. Waits a little.
  std::uint64_t next_file() {
    std::unique_lock lock(mutex_);
    if (given_ >= read_ + ahead()) moved_.wait_for(lock, look_every);
    if (given_ >= read_ + ahead()) return 0;
    const std::uint64_t bytes = std::clamp(ahead() / 16 / mib * mib, file_bytes_min, file_bytes_max);
    given_ += bytes;
    return bytes;
  }
  [[nodiscard]] bool over() {
    const std::lock_guard lock(mutex_);
    return began_ != 0 && system_clock().now() - began_ >= lasts_;
  }

 private:
  [[nodiscard]] std::uint64_t ahead() const {
    if (began_ == 0) return ahead_bytes_min;
    const Time since = std::max(system_clock().now() - began_, second / 10);
    const double rate = static_cast<double>(read_) * static_cast<double>(second) / static_cast<double>(since);
    return std::max(ahead_bytes_min, static_cast<std::uint64_t>(rate));
  }

  Time lasts_;
  std::mutex mutex_;
  std::condition_variable moved_;
  Time began_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t read_ = 0;
};

using Content = std::vector<std::byte>;

class MadeUp final : public Reader {
 public:
  MadeUp(std::shared_ptr<const Content> content, std::shared_ptr<Account> account, std::uint64_t bytes)
      : content_(std::move(content)), account_(std::move(account)), bytes_(bytes) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    const std::size_t count = offset >= bytes_ ? 0 : std::min<std::uint64_t>(into.size(), bytes_ - offset);
    for (std::size_t done = 0; done < count;) {
      const std::size_t at = (offset + done) % content_bytes;
      const std::size_t piece = std::min<std::size_t>(count - done, content_bytes - at);
      std::memcpy(into.data() + done, content_->data() + at, piece);
      done += piece;
    }
    account_->read(count);
    return count;
  }

 private:
  std::shared_ptr<const Content> content_;
  std::shared_ptr<Account> account_;
  std::uint64_t bytes_;
};

class TimedSource final : public Source {
 public:
  TimedSource(double seconds, bool last) : account_(std::make_shared<Account>(seconds)), last_(last) {
    auto content = std::make_shared<Content>(content_bytes);
    fill_incompressible(*content, 1);
    content_ = std::move(content);
  }

  /// None, for a moment in which nothing is to be given out, is an answer: the next question comes soon.
  Result<bool> next(std::vector<Entry>& out, std::vector<Error>& /*errors*/, std::size_t /*max*/) override {
    if (account_->over()) return false;
    const std::uint64_t bytes = account_->next_file();
    if (bytes == 0) return true;
    Entry entry;
    entry.type = EntryType::file;
    entry.path = fmt::format("{}{:08}", last_ ? last_directory : more_directory, ++files_);
    entry.mode = 0600;
    entry.mtime_ns = mtime_ns;
    entry.size = bytes;
    entry.identity = {.ctime_ns = mtime_ns, .inode = files_, .device = 1};
    out.push_back(std::move(entry));
    return true;
  }
  Result<std::shared_ptr<Reader>> open(const Entry& entry) override {
    return std::make_shared<MadeUp>(content_, account_, entry.size);
  }
  bool rewind() override { return true; }

 private:
  std::shared_ptr<const Content> content_;
  std::shared_ptr<Account> account_;
  bool last_;
  std::uint64_t files_ = 0;
};

class Dropped final : public Writer {
 public:
  Result<> write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) override { return {}; }
  Result<> finish(std::uint64_t /*size*/) override { return {}; }
};

class Dropping final : public Sink {
 public:
  explicit Dropping(std::shared_ptr<std::atomic<bool>> last) : last_(std::move(last)) {}
  Result<std::shared_ptr<Writer>> create(const Entry& entry) override {
    const bool is_last = entry.path.starts_with(last_directory);
    // Somebody else's files, sent with the ticket of a bench, would be told to have arrived.
    if (!is_last && !entry.path.starts_with(more_directory))
      return fail(Code::refused, "a bench listens here, which keeps nothing: send to a receiver");
    if (is_last) last_->store(true);
    return dropped_;
  }

 private:
  std::shared_ptr<std::atomic<bool>> last_;
  std::shared_ptr<Writer> dropped_ = std::make_shared<Dropped>();
};

}  // namespace

std::unique_ptr<Source> make_timed_source(double seconds, bool last) {
  return std::make_unique<TimedSource>(seconds, last);
}

DroppingSink make_dropping_sink() {
  auto last = std::make_shared<std::atomic<bool>>(false);
  return {.sink = std::make_unique<Dropping>(last), .last = last};
}

}  // namespace longhaul::engine
