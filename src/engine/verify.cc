// Re-reads a target and compares it with its manifest, or with one from elsewhere.
#include "longhaul/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "disk/system_disk.h"
#include "disk/tree_walk.h"
#include "engine/content_digest.h"
#include "engine/crew.h"
#include "engine/manifest_input.h"
#include "journal/manifest_sort.h"
#include "protocol/bounds.h"
#include "ring/ring.h"
#include "security/aead.h"

namespace longhaul {
namespace {

using engine::Crew;
using engine::ManifestInput;
using journal::ManifestRecord;

constexpr std::size_t errors_kept_max = 1000;
constexpr std::size_t entries_at_once = 1024;

class Verifier {
 public:
  Verifier(const VerifyOptions& options, const std::function<void(const VerifyReport&)>& progress, StopFlag* stop)
      : options_(options), disk_(disk::make_system_disk(nullptr)), progress_(progress), stop_(stop) {}

  Result<VerifyReport> run(const std::string& directory);

 private:
  [[nodiscard]] bool stopped() const { return stop_ != nullptr && stop_->load() != 0; }
  Result<> check_given(const ManifestInput& manifest) const;
  Result<> compare(const ManifestInput& manifest);
  void check(Crew::Hand& hand, const ManifestRecord& record);
  void judge(const ManifestRecord& record, const Result<engine::ContentDigest>& digest);
  void error(std::uint64_t VerifyReport::* count, const std::string& path, Error what);
  Result<> walk(const std::string& directory, const std::function<Result<>(const Entry&)>& visit);
  Result<> count_files(const std::string& directory);
  Result<> find_extra(const std::string& directory, const ManifestInput& manifest);
  void tell();

  const VerifyOptions& options_;
  std::unique_ptr<disk::Disk> disk_;
  const std::function<void(const VerifyReport&)>& progress_;
  StopFlag* stop_;
  disk::DirPtr root_;
  std::atomic<std::uint64_t> bytes_{0};
  Time began_ = 0;
  Time told_ = 0;
  std::mutex mutex_;  ///< over the report, while the crew is at work
  VerifyReport report_;
};

Result<VerifyReport> Verifier::run(const std::string& directory) {
  began_ = told_ = system_clock().now();
  auto root = disk_->open_root(directory);
  if (!root) return std::unexpected(root.error());
  root_ = *root;
  const bool given = !options_.manifest.empty();
  auto manifest =
      given ? ManifestInput::open(*disk_, options_.manifest) : ManifestInput::of_target(*disk_, root_, directory);
  if (!manifest) return std::unexpected(manifest.error());
  // What came from elsewhere says nothing until all of it has been looked at; one's own need not be read twice.
  Result<> done = given || !options_.signer.empty() ? check_given(*manifest) : Result<>();
  if (done) done = compare(*manifest);
  if (done) done = given ? find_extra(directory, *manifest) : count_files(directory);
  if (!done) return std::unexpected(done.error());
  if (stopped()) return fail(Code::interrupted, "stopped before everything was compared");
  report_.exact = options_.exact;
  report_.bytes = bytes_;
  std::ranges::sort(report_.errors, {}, &FileError::path);
  report_.seconds = static_cast<double>(system_clock().now() - began_) / static_cast<double>(second);
  return report_;
}

Result<> Verifier::check_given(const ManifestInput& manifest) const {
  const auto whole = manifest.check(*disk_, stop_);
  if (!whole) return std::unexpected(whole.error());
  if (options_.signer.empty() || whole->signer == options_.signer) return {};
  const std::string name = printable(manifest.name());
  if (whole->signer.empty())
    return fail(Code::refused, fmt::format("manifest {} is not signed, and only one that {} has signed is taken", name,
                                           options_.signer));
  return fail(Code::refused,
              fmt::format("manifest {} was signed by {}, and not by {}", name, whole->signer, options_.signer));
}

Result<> Verifier::compare(const ManifestInput& manifest) {
  auto reader = manifest.read(*disk_);
  if (!reader) return std::unexpected(reader.error());
  {
    Crew crew(options_.threads, [this] { tell(); });
    for (;;) {
      auto record = (*reader)->next();
      if (!record) return std::unexpected(record.error());
      if (!record->has_value()) break;
      if (stopped()) return fail(Code::interrupted, "stopped before everything was compared");
      crew.add([this, its = std::move(**record)](Crew::Hand& hand) { check(hand, its); });
    }
    crew.finish();
  }
  auto summary = engine::summary_of(**reader, manifest.name());
  if (!summary) return std::unexpected(summary.error());
  report_.manifest = std::move(*summary);
  return {};
}

void Verifier::error(std::uint64_t VerifyReport::* count, const std::string& path, Error what) {
  const std::lock_guard lock(mutex_);
  ++(report_.*count);
  if (report_.errors.size() < errors_kept_max) report_.errors.push_back({path, std::move(what)});
}

/// On a thread of the crew.
void Verifier::check(Crew::Hand& hand, const ManifestRecord& record) {
  const std::string shown = printable(record.path);
  auto file = hand.disk.open_file(root_, record.path, disk::Open::read, false);
  if (!file && file.error().code == Code::not_found)
    return error(&VerifyReport::missing, record.path,
                 {Code::not_found, shown + " is in the manifest, but not in the directory", 0});
  if (!file) return error(&VerifyReport::unreadable, record.path, file.error());
  const auto found = hand.disk.stat(**file);
  if (!found) return error(&VerifyReport::unreadable, record.path, found.error());
  if (found->size != record.size || found->mtime_ns / second != record.mtime_ns / second)
    return error(&VerifyReport::changed, record.path,
                 {Code::source_changed,
                  shown + (options_.manifest.empty() ? " was changed after the transfer (size or time differ)"
                                                     : " has another size or time than in the manifest"),
                  0});
  judge(record,
        engine::digest_content(hand.disk, **file, *found, record.sha256.has_value(), hand.buffer, stop_, bytes_));
}

void Verifier::judge(const ManifestRecord& record, const Result<engine::ContentDigest>& digest) {
  const std::string shown = printable(record.path);
  if (!digest && digest.error().code == Code::interrupted) return;
  if (!digest && digest.error().code == Code::source_changed)
    return error(&VerifyReport::changed, record.path,
                 {Code::source_changed, shown + " was changed while it was compared", 0});
  if (!digest) return error(&VerifyReport::unreadable, record.path, digest.error());
  if (digest->root != record.root)
    return error(&VerifyReport::mismatched, record.path,
                 {Code::corrupt,
                  fmt::format("{} differs from {}: digest {}, manifest {}", shown,
                              options_.manifest.empty() ? "what was received" : "the manifest", digest->root.hex(),
                              record.root.hex()),
                  0});
  if (record.sha256 && *digest->sha256 != *record.sha256)
    return error(&VerifyReport::mismatched, record.path,
                 {Code::corrupt,
                  fmt::format("{} has been forged: its digest is the same, its SHA-256 is {}, in the manifest {}",
                              shown, to_hex(*digest->sha256), to_hex(*record.sha256)),
                  0});
  const std::lock_guard lock(mutex_);
  ++report_.files;
}

void Verifier::tell() {
  const Time now = system_clock().now();
  if (!progress_ || now - told_ < second) return;
  told_ = now;
  VerifyReport so_far;
  {
    const std::lock_guard lock(mutex_);
    so_far = report_;
  }
  so_far.bytes = bytes_;
  so_far.seconds = static_cast<double>(now - began_) / static_cast<double>(second);
  progress_(so_far);
}

/// Every file below the directory. Further names of a file have no records of their own.
Result<> Verifier::walk(const std::string& directory, const std::function<Result<>(const Entry&)>& visit) {
  auto walk = disk::TreeWalk::open(*disk_, {directory + "/"}, {}, {.hard_links = true});
  if (!walk) return std::unexpected(walk.error());
  for (bool more = true; more && !stopped();) {
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    more = (*walk)->next(*disk_, entries, errors, entries_at_once);
    tell();
    // What lies in there may be more than the manifest says.
    if (options_.exact)
      for (FileError& each : errors) error(&VerifyReport::unreadable, each.path, std::move(each.error));
    for (const Entry& entry : entries) {
      if (entry.type != EntryType::file) continue;
      if (auto visited = visit(entry); !visited) return visited;
    }
  }
  return {};
}

/// How many of them no manifest speaks of.
Result<> Verifier::count_files(const std::string& directory) {
  std::uint64_t files = 0;
  auto walked = walk(directory, [&](const Entry&) -> Result<> {
    ++files;
    return {};
  });
  const std::uint64_t known = report_.files + report_.mismatched + report_.changed + report_.unreadable;
  report_.without_digest = files > known ? files - known : 0;
  return walked;
}

/// Which files the manifest does not speak of: the names of both, in order, side by side.
Result<> Verifier::find_extra(const std::string& directory, const ManifestInput& manifest) {
  journal::ManifestSorter names(*disk_, system_random(), options_.spool_directory);
  auto walked = walk(directory, [&](const Entry& entry) -> Result<> {
    if (manifest.is(entry.identity)) return {};  // it may lie in the directory that it is about
    return names.add({.path = entry.path, .root = {}});
  });
  if (!walked) return walked;
  auto reader = manifest.read(*disk_);
  if (!reader) return std::unexpected(reader.error());
  std::optional<ManifestRecord> head;
  const auto advance = [&]() -> Result<> {
    auto next = (*reader)->next();
    if (!next) return std::unexpected(next.error());
    head = std::move(*next);
    return {};
  };
  if (auto begun = advance(); !begun) return begun;
  return names.each([&](const ManifestRecord& name) -> Result<> {
    while (head && head->path < name.path)
      if (auto next = advance(); !next) return next;
    if (head && head->path == name.path) return {};
    ++report_.without_digest;
    if (report_.extra.size() < errors_kept_max) report_.extra.push_back(name.path);
    return {};
  });
}

}  // namespace

Result<VerifyReport> verify(const std::string& directory, const VerifyOptions& options,
                            const std::function<void(const VerifyReport&)>& progress, StopFlag* stop) {
  return Verifier(options, progress, stop).run(directory);
}

Result<VerifyReport> verify(const std::string& directory, const std::function<void(const VerifyReport&)>& progress,
                            StopFlag* stop) {
  return verify(directory, VerifyOptions(), progress, stop);
}

std::string version_text() {
  const auto ring = ring::probe();
  return "longhaul " LONGHAUL_VERSION "\nprotocol " + std::to_string(protocol::version_min) + ".." +
         std::to_string(protocol::version_max) + "\nformats: journal 1, manifest 1 and 2\nio_uring: " +
         (ring.usable ? "usable" : "not usable: " + ring.reason) + "\nciphers: " + security::ciphers_text() + "\n";
}

}  // namespace longhaul
