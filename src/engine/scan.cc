// One pass over a tree: every file is read once, by several threads, and its record goes to the sorter.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "engine/content_digest.h"
#include "engine/crew.h"
#include "engine/feed.h"
#include "engine/manifest_input.h"
#include "journal/landing.h"
#include "journal/manifest_sort.h"
#include "longhaul/manifest.h"
#include "security/identity.h"

namespace longhaul {
namespace {

using engine::Crew;
using journal::ManifestRecord;

constexpr std::size_t entries_at_once = 256;
constexpr std::size_t errors_kept_max = 1000;
constexpr std::size_t write_bytes = std::size_t{1} << 20U;

/// What is done with the sorted records.
class Output {
 public:
  virtual ~Output() = default;
  virtual Result<> add(const ManifestRecord& record) = 0;
  virtual Result<> finish(const journal::ManifestSeal& seal) = 0;
  /// The file that is to be replaced is no part of what is scanned.
  [[nodiscard]] virtual bool replaces(const Identity&) const { return false; }
};

class ShownOutput final : public Output {
 public:
  explicit ShownOutput(const ManifestVisitor& visit) : visit_(visit) {}
  Result<> add(const ManifestRecord& record) override {
    if (visit_(engine::shown(record))) return {};
    return fail(Code::interrupted, "nobody reads the list any more");
  }
  Result<> finish(const journal::ManifestSeal&) override { return {}; }

 private:
  const ManifestVisitor& visit_;
};

/// A new file beside the one that it replaces at the end.
class FileOutput final : public Output {
 public:
  FileOutput(disk::Disk& disk, engine::NamedPlace place, std::uint32_t mode)
      : disk_(disk), place_(std::move(place)), mode_(mode) {}
  ~FileOutput() override {
    if (writer_ && !renamed_) (void)disk_.unlink(place_.directory, new_name_);
  }
  FileOutput(const FileOutput&) = delete;
  FileOutput& operator=(const FileOutput&) = delete;

  /// Errors: something stands there that must not be replaced.
  Result<> look() {
    const auto old = disk_.stat(place_.directory, place_.name);
    if (!old && old.error().code == Code::not_found) return {};
    if (!old) return std::unexpected(old.error());
    if (old->type != disk::FileType::file)
      return fail(Code::usage,
                  fmt::format("'{}' is no regular file: a manifest cannot take its place", printable(place_.name)));
    old_ = Identity{.ctime_ns = old->ctime_ns, .inode = old->inode, .device = old->device};
    return {};
  }
  [[nodiscard]] bool replaces(const Identity& identity) const override {
    return old_ && old_->inode == identity.inode && old_->device == identity.device;
  }
  Result<> add(const ManifestRecord& record) override {
    if (auto begun = begin(); !begun) return begun;
    return writer_->add(record);
  }
  Result<> finish(const journal::ManifestSeal& seal) override {
    Result<> done = begin();
    if (done) done = writer_->seal(seal);
    if (done) done = disk_.set_mode(*file_, mode_);
    if (done) done = writer_->finish(true);
    if (done) done = disk_.rename(place_.directory, new_name_, place_.directory, place_.name);
    if (!done) return done;
    renamed_ = true;
    return disk_.sync_dir(place_.directory);
  }

 private:
  /// Not before there is something to write: the walk has ended by then, and does not meet it.
  Result<> begin() {
    if (writer_) return {};
    std::array<std::byte, 8> unique{};
    system_random().fill(unique);
    new_name_ = ".longhaul-manifest-" + to_hex(unique);
    auto file = disk_.open_file(place_.directory, new_name_, disk::Open::create, false);
    if (!file) return std::unexpected(file.error());
    file_ = std::move(*file);
    writer_ = journal::RecordWriter::of_scan(disk_, file_, write_bytes);
    return {};
  }

  disk::Disk& disk_;
  engine::NamedPlace place_;
  std::uint32_t mode_;
  std::optional<Identity> old_;
  std::string new_name_;
  disk::FilePtr file_;
  std::unique_ptr<journal::RecordWriter> writer_;
  bool renamed_ = false;
};

class Scan {
 public:
  Scan(disk::Disk& disk, const ManifestOptions& options, const ManifestProgress& progress, StopFlag* stop)
      : disk_(disk),
        options_(options),
        progress_(progress),
        stop_(stop),
        sha256_(options.sha256 || !options.identity_pem.empty()),
        sort_disk_(disk::make_system_disk(nullptr)) {}

  Result<ManifestReport> run(std::unique_ptr<Source> source, Output& output, const std::string& spool_directory,
                             bool try_spool);

 private:
  [[nodiscard]] bool stopped() const { return stop_ != nullptr && stop_->load() != 0; }
  Result<> walk(Crew& crew, const Output& output);
  void take(Crew& crew, const Entry& entry);
  void read(Crew::Hand& hand, const Entry& entry);
  Result<ManifestRecord> record_of(Crew::Hand& hand, const Entry& entry);
  Result<> write(Output& output);
  void note(FileError error);
  void tell();

  disk::Disk& disk_;
  const ManifestOptions& options_;
  const ManifestProgress& progress_;
  StopFlag* stop_;
  bool sha256_;
  std::optional<security::Identity> signer_;
  std::shared_ptr<engine::Feed> feed_;
  std::atomic<std::uint64_t> bytes_{0};
  Time began_ = system_clock().now();
  Time told_ = began_;

  std::mutex mutex_;  ///< over everything below, while the crew is at work
  std::unique_ptr<disk::Disk> sort_disk_;
  std::optional<journal::ManifestSorter> sorter_;
  std::optional<Error> lost_;  ///< why the records cannot be kept
  ManifestReport report_;
};

Result<ManifestReport> Scan::run(std::unique_ptr<Source> source, Output& output, const std::string& spool_directory,
                                 bool try_spool) {
  if (!options_.identity_pem.empty()) {
    auto identity = security::Identity::from_pem(options_.identity_pem);
    if (!identity) return std::unexpected(identity.error());
    signer_.emplace(std::move(*identity));
  }
  sorter_.emplace(*sort_disk_, system_random(), spool_directory);
  if (try_spool)
    if (auto opened = sorter_->open_file(); !opened) return std::unexpected(opened.error());
  feed_ = engine::make_feed(std::move(source));
  if (auto begun = feed_->begin(disk_); !begun) return std::unexpected(begun.error());
  {
    Crew crew(options_.threads, [this] { tell(); });
    if (auto walked = walk(crew, output); !walked) return std::unexpected(walked.error());
    crew.finish();
  }
  if (stopped()) return fail(Code::interrupted, "stopped before everything was read");
  if (lost_) return std::unexpected(*lost_);
  if (auto written = write(output); !written) return std::unexpected(written.error());
  const disk::NotKept not_kept = feed_->not_kept();
  report_.left_out = not_kept.left_out;
  report_.without_record += not_kept.special_files;
  report_.bytes = bytes_;
  report_.seconds = static_cast<double>(system_clock().now() - began_) / static_cast<double>(second);
  std::ranges::sort(report_.errors, {}, &FileError::path);
  return std::move(report_);
}

Result<> Scan::walk(Crew& crew, const Output& output) {
  for (bool more = true; more && !stopped();) {
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    const auto next = feed_->next(disk_, entries, errors, entries_at_once);
    if (!next) return std::unexpected(next.error());
    more = *next;
    for (FileError& error : errors) note(std::move(error));
    for (const Entry& entry : entries) {
      if (stopped()) break;
      if (entry.type == EntryType::file && !output.replaces(entry.identity)) take(crew, entry);
      const bool no_record = entry.type != EntryType::file && entry.type != EntryType::directory;
      const std::lock_guard lock(mutex_);
      if (no_record) ++report_.without_record;
      if (lost_) return std::unexpected(*lost_);
    }
  }
  return {};
}

void Scan::take(Crew& crew, const Entry& entry) {
  crew.add([this, entry](Crew::Hand& hand) { read(hand, entry); });
}

/// On a thread of the crew.
void Scan::read(Crew::Hand& hand, const Entry& entry) {
  auto record = record_of(hand, entry);
  if (!record) {
    if (record.error().code == Code::interrupted) return;
    return note({feed_->words(entry), std::move(record.error())});
  }
  const std::lock_guard lock(mutex_);
  if (lost_) return;
  ++report_.manifest.files;
  if (auto added = sorter_->add(std::move(*record)); !added) lost_ = std::move(added.error());
}

/// What the walk has seen of it may be older than what is opened: a version counts from its opening to its last byte.
Result<ManifestRecord> Scan::record_of(Crew::Hand& hand, const Entry& entry) {
  const auto content = feed_->open(hand.disk, entry, false);
  if (!content) return std::unexpected(content.error());
  if (!content->file)
    return fail(Code::unsupported, printable(entry.path) + " is no file on this machine, and cannot be scanned");
  const auto found = hand.disk.stat(*content->file);
  if (!found) return std::unexpected(found.error());
  if (found->type != disk::FileType::file)
    return fail(Code::source_changed, printable(feed_->words(entry)) + " is no longer a regular file");
  auto digest = engine::digest_content(hand.disk, *content->file, *found, sha256_, hand.buffer, stop_, bytes_);
  if (!digest && digest.error().code == Code::interrupted) return std::unexpected(std::move(digest.error()));
  if (!digest)
    return fail(digest.error().code, printable(feed_->words(entry)) + ": " + digest.error().text,
                digest.error().system_errno);
  return ManifestRecord{.path = entry.path,
                        .size = digest->size,
                        .mtime_ns = digest->mtime_ns,
                        .root = digest->root,
                        .sha256 = digest->sha256};
}

/// The crew has gone home.
Result<> Scan::write(Output& output) {
  journal::ManifestRoots roots;
  auto visited = sorter_->each([&](const ManifestRecord& record) -> Result<> {
    if (stopped()) return fail(Code::interrupted, "stopped before the manifest was written");
    roots.add(record);
    return output.add(record);
  });
  if (!visited) return visited;
  journal::ManifestSeal seal = roots.finish(sha256_);
  if (signer_) journal::sign(seal, *signer_);
  report_.manifest = engine::summary_of(seal, roots.bytes());
  return output.finish(seal);
}

void Scan::note(FileError error) {
  const std::lock_guard lock(mutex_);
  ++(error.error.code == Code::source_changed ? report_.changed : report_.unreadable);
  if (report_.errors.size() < errors_kept_max) report_.errors.push_back(std::move(error));
}

void Scan::tell() {
  const Time now = system_clock().now();
  if (!progress_ || now - told_ < second) return;
  told_ = now;
  ManifestReport so_far;
  {
    const std::lock_guard lock(mutex_);
    so_far = report_;
  }
  so_far.bytes = bytes_;
  so_far.seconds = static_cast<double>(now - began_) / static_cast<double>(second);
  progress_(so_far);
}

}  // namespace

Result<ManifestReport> make_manifest(std::unique_ptr<Source> source, const std::string& file,
                                     const ManifestOptions& options, const ManifestProgress& progress, StopFlag* stop) {
  const auto disk = disk::make_system_disk(nullptr);
  auto place = engine::place_of(*disk, file);
  if (!place) return std::unexpected(place.error());
  std::string_view above = place->directory_name;
  while (above.size() > 1 && above.ends_with('/')) above.remove_suffix(1);
  if (above.substr(above.rfind('/') + 1) == journal::zone_name)
    return fail(Code::usage,
                printable(file) +
                    " lies in a landing zone: the manifest there is the proof of what arrived, and only transfers "
                    "write it; name another place");
  FileOutput output(*disk, *place, options.mode);
  if (auto looked = output.look(); !looked) return std::unexpected(looked.error());
  return Scan(*disk, options, progress, stop).run(std::move(source), output, place->directory_name, true);
}

Result<ManifestReport> list_manifest(std::unique_ptr<Source> source, const ManifestVisitor& visit,
                                     const ManifestOptions& options, const ManifestProgress& progress, StopFlag* stop) {
  const auto disk = disk::make_system_disk(nullptr);
  ShownOutput output(visit);
  return Scan(*disk, options, progress, stop).run(std::move(source), output, options.spool_directory, false);
}

}  // namespace longhaul
