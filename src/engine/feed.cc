#include "engine/feed.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/clock.h"
#include "disk/pipe.h"
#include "disk/roots.h"
#include "disk/system_disk.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

/// What is walked.
struct Trees {
  std::vector<std::string> paths;
  Selection selection;
  Fidelity fidelity;
  std::optional<NameList> names;  ///< with it: what it names beneath the one path
  bool recursive = false;         ///< ... and everything in its directories
  std::string name;               ///< what the one source is called at the target; empty: as it is called here

  [[nodiscard]] Result<std::unique_ptr<disk::TreeWalk>> open(disk::Disk& disk) const {
    if (!names) return disk::TreeWalk::open(disk, paths, selection, fidelity);
    return disk::TreeWalk::open_listed(disk, paths.front(), names->sorted(), recursive, selection, fidelity);
  }
};

class TreeFeed final : public Feed {
 public:
  explicit TreeFeed(Trees trees)
      : trees_(std::move(trees)),
        name_(trees_.name, trees_.names || trees_.paths.empty() ? "" : disk::name_of_root(trees_.paths.front())) {}

  Result<> begin(disk::Disk& disk) override {
    auto walk = trees_.open(disk);
    if (!walk) return std::unexpected(walk.error());
    if (auto looked = look_at_listed(disk); !looked) return looked;
    if (mentions_) (*walk)->mention_left_out();
    std::shared_ptr<disk::TreeWalk> next = std::move(*walk);
    const std::lock_guard lock(mutex_);
    walk_.swap(next);  // the old one goes when the lock has gone: it may have to wait for a look
    return {};
  }
  Result<bool> next(disk::Disk& disk, std::vector<Entry>& out, std::vector<FileError>& errors,
                    std::size_t max) override {
    const std::size_t before = out.size();
    auto more = walk_->next(disk, out, errors, max);
    if (listed_ && out.size() > before) {
      if (!out[before].path.empty()) out.insert(out.begin() + static_cast<std::ptrdiff_t>(before), *listed_);
      listed_.reset();
    }
    for (std::size_t i = before; i < out.size(); ++i) {
      out[i].path = name_.at_target(out[i].path);
      if (out[i].type == EntryType::hard_link) out[i].link_target = name_.at_target(out[i].link_target);
    }
    return more;
  }
  Result<Content> open(disk::Disk& disk, const Entry& entry, bool direct) override {
    auto file = name_.changes() ? walk()->open_content(disk, at_source(entry), direct)
                                : walk()->open_content(disk, entry, direct);
    if (!file) return std::unexpected(file.error());
    return Content{std::move(*file), nullptr};
  }
  [[nodiscard]] bool rereadable() const override { return true; }
  [[nodiscard]] std::string words(const Entry& entry) const override { return walk()->source_path(at_source(entry)); }
  void mention_left_out() override { mentions_ = true; }
  [[nodiscard]] std::vector<std::string> rules() const override { return trees_.selection.rules; }
  [[nodiscard]] OtherName other_name() const override { return name_; }
  [[nodiscard]] disk::NotKept not_kept() const override { return walk()->not_kept(); }

 private:
  [[nodiscard]] std::shared_ptr<disk::TreeWalk> walk() const {
    const std::lock_guard lock(mutex_);
    return walk_;
  }
  /// A list names what is beneath its directory, and need not name that: by its other name it must arrive all the same.
  Result<> look_at_listed(disk::Disk& disk) {
    if (trees_.name.empty() || !trees_.names) return {};
    const auto directory = disk.open_root(trees_.paths.front());
    if (!directory) return std::unexpected(directory.error());
    const auto stat = disk.stat(*directory, "");
    if (!stat) return std::unexpected(stat.error());
    listed_ = Entry{.type = EntryType::directory, .path = {}, .mode = stat->mode, .mtime_ns = stat->mtime_ns};
    return {};
  }
  [[nodiscard]] Entry at_source(Entry entry) const {
    entry.path = name_.at_source(entry.path);
    return entry;
  }
  Trees trees_;
  OtherName name_;
  std::optional<Entry> listed_;  ///< to go before everything else
  std::atomic<bool> mentions_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<disk::TreeWalk> walk_;
};

/// A caller's Source.
class SourceFeed final : public Feed {
 public:
  explicit SourceFeed(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  Result<> begin(disk::Disk&) override {
    if (std::exchange(begun_, true) && !source_->rewind())
      return fail(Code::connection, "the receiver started anew, and this source cannot be read again");
    return {};
  }
  Result<bool> next(disk::Disk&, std::vector<Entry>& out, std::vector<FileError>& errors, std::size_t max) override {
    std::vector<Error> plain;
    auto more = source_->next(out, plain, max);
    for (auto& error : plain) errors.push_back({"", std::move(error)});
    return more;
  }
  Result<Content> open(disk::Disk&, const Entry& entry, bool) override {
    auto reader = source_->open(entry);
    if (!reader) return std::unexpected(reader.error());
    return Content{nullptr, std::move(*reader)};
  }
  [[nodiscard]] bool rereadable() const override { return source_->rereadable(); }

 private:
  std::unique_ptr<Source> source_;
  bool begun_ = false;
};

class TreeSource final : public Source {
 public:
  TreeSource(Trees trees, std::unique_ptr<disk::Disk> disk)
      : trees_(std::move(trees)), disk_(std::move(disk)), feed_(trees_) {}
  Result<> begin() { return feed_.begin(*disk_); }

  Result<bool> next(std::vector<Entry>& out, std::vector<Error>& errors, std::size_t max) override {
    std::vector<FileError> with_paths;
    auto more = feed_.next(*disk_, out, with_paths, max);
    for (auto& each : with_paths) errors.push_back(std::move(each.error));
    return more;
  }
  Result<std::shared_ptr<Reader>> open(const Entry& entry) override {
    return fail(Code::unsupported, "the content of " + entry.path + " is read by a transfer, not through the source");
  }
  bool rewind() override { return begin().has_value(); }
  [[nodiscard]] std::unique_ptr<Feed> feed() const { return std::make_unique<TreeFeed>(trees_); }

 private:
  Trees trees_;
  std::unique_ptr<disk::Disk> disk_;
  TreeFeed feed_;
};

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(ConstBytes content) : content_(content) {}
  Result<std::size_t> read_at(std::uint64_t offset, Bytes into) override {
    if (offset >= content_.size()) return std::size_t{0};
    const std::size_t bytes = std::min<std::size_t>(into.size(), content_.size() - offset);
    std::memcpy(into.data(), content_.data() + offset, bytes);
    return bytes;
  }

 private:
  ConstBytes content_;
};

class MemorySource final : public Source {
 public:
  MemorySource(std::string name, ConstBytes content) : content_(content) {
    entry_.path = std::move(name);
    entry_.size = content.size();
    entry_.mtime_ns = system_clock().wall_ns();
  }
  Result<bool> next(std::vector<Entry>& out, std::vector<Error>&, std::size_t) override {
    if (!std::exchange(told_, true)) out.push_back(entry_);
    return false;
  }
  Result<std::shared_ptr<Reader>> open(const Entry&) override { return std::make_shared<MemoryReader>(content_); }
  bool rewind() override {
    told_ = false;
    return true;
  }
  std::optional<std::uint64_t> total_bytes() const override { return content_.size(); }

 private:
  Entry entry_;
  ConstBytes content_;
  bool told_ = false;
};

/// Keeps what was read, in pieces of one chunk, until it is durable.
class PipeReader final : public StreamReader {
 public:
  explicit PipeReader(int fd) : fd_(fd) {}

  Result<bool> fill() override {
    if (ended_) return false;
    std::byte* at = nullptr;
    std::size_t room = 0;
    {
      const std::lock_guard lock(mutex_);
      const std::uint64_t piece = end_ / piece_bytes;
      if (piece == first_piece_ + pieces_.size()) {
        if (pieces_.size() == pieces_max) return true;
        pieces_.push_back(spare_.empty() ? std::vector<std::byte>(piece_bytes) : std::move(spare_.back()));
        if (!spare_.empty()) spare_.pop_back();
      }
      at = pieces_.back().data() + end_ % piece_bytes;
      room = piece_bytes - end_ % piece_bytes;
    }
    bool ended = false;
    const auto got = disk::read_pipe(fd_, {at, room}, 100, &ended);
    if (!got) return std::unexpected(got.error());
    const std::lock_guard lock(mutex_);
    end_ += *got;
    ended_ = ended;
    return !ended;
  }
  Result<std::size_t> read_at(std::uint64_t offset, Bytes into) override {
    const std::lock_guard lock(mutex_);
    std::size_t done = 0;
    while (done < into.size() && offset + done < end_) {
      const std::uint64_t at = offset + done;
      if (at / piece_bytes < first_piece_)
        return fail(Code::internal, "a part of the stream that was let go is asked for again");
      const auto& piece = pieces_[at / piece_bytes - first_piece_];
      const std::size_t bytes = std::min<std::size_t>(
          {into.size() - done, piece_bytes - at % piece_bytes, static_cast<std::size_t>(end_ - at)});
      std::memcpy(into.data() + done, piece.data() + at % piece_bytes, bytes);
      done += bytes;
    }
    return done;
  }
  [[nodiscard]] std::uint64_t available() const override {
    const std::lock_guard lock(mutex_);
    return end_;
  }
  [[nodiscard]] bool ended() const override {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  void release_before(std::uint64_t offset) override {
    const std::lock_guard lock(mutex_);
    while (!pieces_.empty() && (first_piece_ + 1) * piece_bytes <= offset) {
      spare_.push_back(std::move(pieces_.front()));
      pieces_.pop_front();
      ++first_piece_;
    }
  }
  [[nodiscard]] bool let_go(std::uint64_t offset) const override {
    const std::lock_guard lock(mutex_);
    return offset / piece_bytes < first_piece_;
  }
  [[nodiscard]] bool full() const override {
    const std::lock_guard lock(mutex_);
    return pieces_.size() == pieces_max && end_ == (first_piece_ + pieces_max) * piece_bytes;
  }

 private:
  static constexpr std::size_t piece_bytes = protocol::node_bytes;
  static constexpr std::size_t pieces_max = 8;  // 64 MiB kept until durable
  int fd_;
  mutable std::mutex mutex_;
  std::deque<std::vector<std::byte>> pieces_;
  std::vector<std::vector<std::byte>> spare_;
  std::uint64_t first_piece_ = 0;
  std::uint64_t end_ = 0;
  bool ended_ = false;
};

class PipeSource final : public Source {
 public:
  PipeSource(std::string name, int fd) : reader_(std::make_shared<PipeReader>(fd)) {
    entry_.path = std::move(name);
    entry_.size_known = false;
    entry_.mtime_ns = system_clock().wall_ns();
  }
  Result<bool> next(std::vector<Entry>& out, std::vector<Error>&, std::size_t) override {
    if (!std::exchange(told_, true)) out.push_back(entry_);
    return false;
  }
  Result<std::shared_ptr<Reader>> open(const Entry&) override { return reader_; }
  bool rereadable() const override { return false; }
  bool rewind() override { return false; }

 private:
  Entry entry_;
  std::shared_ptr<PipeReader> reader_;
  bool told_ = false;
};

}  // namespace

std::unique_ptr<Feed> make_tree_feed(std::vector<std::string> paths, Selection selection, Fidelity fidelity,
                                     std::string name) {
  return std::make_unique<TreeFeed>(Trees{.paths = std::move(paths),
                                          .selection = std::move(selection),
                                          .fidelity = fidelity,
                                          .names = std::nullopt,
                                          .name = std::move(name)});
}

std::shared_ptr<Feed> make_feed(std::unique_ptr<Source> source) {
  if (const auto* tree = dynamic_cast<const TreeSource*>(source.get())) return tree->feed();
  return std::make_shared<SourceFeed>(std::move(source));
}

}  // namespace longhaul::engine

namespace longhaul {

namespace {

Result<std::unique_ptr<Source>> begun(engine::Trees trees) {
  auto source = std::make_unique<engine::TreeSource>(std::move(trees), disk::make_system_disk(nullptr));
  if (auto begun = source->begin(); !begun) return std::unexpected(begun.error());
  return source;
}

}  // namespace

Result<std::unique_ptr<Source>> tree_source(const std::vector<std::string>& paths, const Selection& selection,
                                            const Fidelity& fidelity, const std::string& name) {
  if (!name.empty() && paths.size() != 1) return fail(Code::usage, "only one source can be given another name");
  return begun({.paths = paths, .selection = selection, .fidelity = fidelity, .names = std::nullopt, .name = name});
}

Result<std::unique_ptr<Source>> listed_source(const std::string& directory, const NameList& names, bool recursive,
                                              const Selection& selection, const Fidelity& fidelity,
                                              const std::string& name) {
  if (directory.empty()) return fail(Code::usage, "a source path is empty");
  return begun({.paths = {directory},
                .selection = selection,
                .fidelity = fidelity,
                .names = names,
                .recursive = recursive,
                .name = name});
}

std::unique_ptr<Source> memory_source(std::string name, std::span<const std::byte> content) {
  return std::make_unique<engine::MemorySource>(std::move(name), content);
}

std::unique_ptr<Source> stream_source(std::string name, int fd) {
  return std::make_unique<engine::PipeSource>(std::move(name), fd);
}

}  // namespace longhaul
