// Re-reads a target and compares it with its manifest.
#include "longhaul/verify.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "chunk/digest_tree.h"
#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "disk/tree_walk.h"
#include "engine/hole_map.h"
#include "journal/landing.h"
#include "journal/manifest.h"
#include "protocol/bounds.h"
#include "ring/ring.h"
#include "security/aead.h"

namespace longhaul {
namespace {

constexpr std::size_t read_bytes = 1024 * 1024;
constexpr std::size_t errors_kept_max = 1000;

class Verifier {
 public:
  Verifier(const std::function<void(const VerifyReport&)>& progress, StopFlag* stop)
      : disk_(disk::make_system_disk(nullptr)), progress_(progress), stop_(stop), buffer_(read_bytes) {}

  Result<VerifyReport> run(const std::string& directory) {
    began_ = told_ = system_clock().now();
    auto root = disk_->open_root(directory);
    if (!root) return std::unexpected(root.error());
    root_ = *root;
    auto zone = disk_->open_dir(root_, journal::zone_name);
    if (!zone) return fail(Code::not_found, directory + " has no manifest: no transfer has ended there");
    auto read = journal::read_manifest(*disk_, *zone, "manifest", false, [&](const journal::ManifestRecord& record) {
      check(record);
      return !stopped();
    });
    if (!read) return std::unexpected(read.error());
    if (auto counted = count_files(directory); !counted) return std::unexpected(counted.error());
    if (stopped()) return fail(Code::interrupted, "stopped before everything was compared");
    report_.seconds = static_cast<double>(system_clock().now() - began_) / static_cast<double>(second);
    return report_;
  }

 private:
  [[nodiscard]] bool stopped() const { return stop_ != nullptr && stop_->load() != 0; }

  void error(const std::string& path, Error what) {
    if (report_.errors.size() < errors_kept_max) report_.errors.push_back({path, std::move(what)});
  }

  void check(const journal::ManifestRecord& record) {
    const std::string shown = printable(record.path);
    auto file = disk_->open_file(root_, record.path, disk::Open::read, false);
    if (!file) {
      const bool gone = file.error().code == Code::not_found;
      ++(gone ? report_.missing : report_.unreadable);
      return error(record.path, gone
                                    ? Error{Code::not_found, shown + " is in the manifest, but not in the directory", 0}
                                    : file.error());
    }
    const auto stat = disk_->stat(**file);
    if (stat && (stat->size != record.size || stat->mtime_ns / 1'000'000'000 != record.mtime_ns / 1'000'000'000)) {
      ++report_.changed;
      return error(record.path,
                   {Code::source_changed, shown + " was changed after the transfer (size or time differ)", 0});
    }
    const auto digest = read_all(**file, stat ? stat->size : 0);
    if (!digest) {
      if (digest.error().code != Code::interrupted) {
        ++report_.unreadable;
        error(record.path, digest.error());
      }
      return;
    }
    if (*digest == record.root) {
      ++report_.files;
      return;
    }
    ++report_.mismatched;
    error(record.path,
          {Code::corrupt,
           shown + " differs from what was received: digest " + digest->hex() + ", manifest " + record.root.hex(), 0});
  }

  /// Holes are not read: they digest like the zeros that they stand for.
  Result<Digest> read_all(disk::OpenFile& file, std::uint64_t size) {
    chunk::FileDigest digest;
    engine::HoleMap holes;
    for (std::uint64_t offset = 0;;) {
      if (stopped()) return fail(Code::interrupted, "stopped");
      if (offset < size) {
        const std::uint64_t data = std::min(holes.end_of_hole(*disk_, file, offset), size);
        digest.add_zeros(data - offset);
        report_.bytes += data - offset;
        offset = data;
      }
      const auto got = disk::read_now(*disk_, file, offset, buffer_);
      if (!got) return std::unexpected(got.error());
      digest.add({buffer_.data(), *got});
      offset += *got;
      report_.bytes += *got;
      tell();
      if (*got < buffer_.size()) return digest.finish();
    }
  }

  void tell() {
    const Time now = system_clock().now();
    if (!progress_ || now - told_ < second) return;
    told_ = now;
    report_.seconds = static_cast<double>(now - began_) / static_cast<double>(second);
    progress_(report_);
  }

  /// Files below the directory that no manifest speaks of. Further names of a file have no records of their own.
  Result<> count_files(const std::string& directory) {
    auto walk = disk::TreeWalk::open(*disk_, {directory + "/"}, {}, {.hard_links = true});
    if (!walk) return std::unexpected(walk.error());
    std::uint64_t files = 0;
    for (bool more = true; more && !stopped();) {
      std::vector<Entry> entries;
      std::vector<FileError> errors;
      more = (*walk)->next(*disk_, entries, errors, 1024);
      files += static_cast<std::uint64_t>(
          std::ranges::count_if(entries, [](const Entry& each) { return each.type == EntryType::file; }));
    }
    const std::uint64_t known = report_.files + report_.mismatched + report_.changed + report_.unreadable;
    report_.without_digest = files > known ? files - known : 0;
    return {};
  }

  std::unique_ptr<disk::Disk> disk_;
  const std::function<void(const VerifyReport&)>& progress_;
  StopFlag* stop_;
  std::vector<std::byte> buffer_;
  disk::DirPtr root_;
  VerifyReport report_;
  Time began_ = 0;
  Time told_ = 0;
};

}  // namespace

Result<VerifyReport> verify(const std::string& directory, const std::function<void(const VerifyReport&)>& progress,
                            StopFlag* stop) {
  return Verifier(progress, stop).run(directory);
}

std::string version_text() {
  const auto ring = ring::probe();
  return "longhaul " LONGHAUL_VERSION "\nprotocol " + std::to_string(protocol::version_min) + ".." +
         std::to_string(protocol::version_max) +
         "\nformats: journal 1, manifest 1\nio_uring: " + (ring.usable ? "usable" : "not usable: " + ring.reason) +
         "\nciphers: " + security::ciphers_text() + "\nfabrics: none\n";
}

}  // namespace longhaul
