// Manifests shown and compared: streams from one end to the other, nothing kept.
#include <optional>
#include <utility>

#include "disk/system_disk.h"
#include "engine/manifest_input.h"
#include "longhaul/manifest.h"

namespace longhaul {
namespace {

using journal::ManifestRecord;

/// One of the two.
struct Side {
  engine::ManifestInput input;
  std::unique_ptr<journal::RecordReader> reader;
  std::optional<ManifestRecord> head;

  Result<> advance() {
    auto next = reader->next();
    if (!next) return std::unexpected(std::move(next.error()));
    head = std::move(*next);
    return {};
  }
};

Result<Side> begin(disk::Disk& disk, const std::string& path) {
  auto input = engine::ManifestInput::open(disk, path);
  if (!input) return std::unexpected(std::move(input.error()));
  auto reader = input->read(disk);
  if (!reader) return std::unexpected(std::move(reader.error()));
  Side side{.input = std::move(*input), .reader = std::move(*reader), .head = {}};
  if (auto begun = side.advance(); !begun) return std::unexpected(std::move(begun.error()));
  return side;
}

bool same_content(const ManifestRecord& a, const ManifestRecord& b) {
  return a.size == b.size && a.root == b.root && (!a.sha256 || !b.sha256 || *a.sha256 == *b.sha256);
}

/// A file system may keep whole seconds only.
bool same_time(std::int64_t a_ns, std::int64_t b_ns) {
  constexpr std::int64_t ns_per_s = 1'000'000'000;
  if (a_ns == b_ns) return true;
  const auto floor_s = [](std::int64_t ns) { return ns / ns_per_s - (ns % ns_per_s < 0 ? 1 : 0); };
  return (a_ns % ns_per_s == 0 || b_ns % ns_per_s == 0) && floor_s(a_ns) == floor_s(b_ns);
}

using CompareVisitor = std::function<bool(ManifestDifference, const ManifestFile*, const ManifestFile*)>;

class Comparison {
 public:
  Comparison(Side one, Side other, const CompareVisitor& visit)
      : first_(std::move(one)), second_(std::move(other)), visit_(visit) {}

  Result<ManifestComparison> run(const StopFlag* stop) {
    while (first_.head || second_.head) {
      if ((stop != nullptr && stop->load() != 0) || stopped_)
        return fail(Code::interrupted, "stopped before everything was compared");
      if (auto taken = take(); !taken) return std::unexpected(std::move(taken.error()));
    }
    auto one = engine::summary_of(*first_.reader, first_.input.name());
    if (!one) return std::unexpected(std::move(one.error()));
    auto other = engine::summary_of(*second_.reader, second_.input.name());
    if (!other) return std::unexpected(std::move(other.error()));
    found_.first = std::move(*one);
    found_.second = std::move(*other);
    return std::move(found_);
  }

 private:
  /// The next path, of one or of both.
  Result<> take() {
    const bool in_first = first_.head && (!second_.head || first_.head->path <= second_.head->path);
    const bool in_second = second_.head && (!first_.head || second_.head->path <= first_.head->path);
    if (in_first && in_second)
      judge(*first_.head, *second_.head);
    else if (in_first)
      tell(ManifestDifference::only_in_first, &*first_.head, nullptr);
    else
      tell(ManifestDifference::only_in_second, nullptr, &*second_.head);
    Result<> done = in_first ? first_.advance() : Result<>();
    if (done && in_second) done = second_.advance();
    return done;
  }

  void judge(const ManifestRecord& one, const ManifestRecord& other) {
    if (!same_content(one, other)) return tell(ManifestDifference::content, &one, &other);
    if (!same_time(one.mtime_ns, other.mtime_ns)) return tell(ManifestDifference::time, &one, &other);
    ++found_.equal;
  }

  void tell(ManifestDifference how, const ManifestRecord* one, const ManifestRecord* other) {
    switch (how) {
      case ManifestDifference::only_in_first:
        ++found_.only_in_first;
        break;
      case ManifestDifference::only_in_second:
        ++found_.only_in_second;
        break;
      case ManifestDifference::content:
        ++found_.content;
        break;
      case ManifestDifference::time:
        ++found_.time;
        break;
    }
    if (!visit_) return;
    std::optional<ManifestFile> in_first;
    std::optional<ManifestFile> in_second;
    if (one != nullptr) in_first = engine::shown(*one);
    if (other != nullptr) in_second = engine::shown(*other);
    stopped_ = !visit_(how, in_first ? &*in_first : nullptr, in_second ? &*in_second : nullptr);
  }

  Side first_;
  Side second_;
  const CompareVisitor& visit_;
  ManifestComparison found_;
  bool stopped_ = false;
};

}  // namespace

Result<ManifestSummary> show_manifest(const std::string& path, const ManifestVisitor& visit, StopFlag* stop) {
  const auto disk = disk::make_system_disk(nullptr);
  auto side = begin(*disk, path);
  if (!side) return std::unexpected(std::move(side.error()));
  while (side->head) {
    const bool stopped = stop != nullptr && stop->load() != 0;
    if (stopped || (visit && !visit(engine::shown(*side->head))))
      return fail(Code::interrupted, "stopped before everything was shown");
    if (auto next = side->advance(); !next) return std::unexpected(std::move(next.error()));
  }
  return engine::summary_of(*side->reader, side->input.name());
}

Result<ManifestComparison> compare_manifests(const std::string& one, const std::string& other,
                                             const CompareVisitor& visit, StopFlag* stop) {
  const auto disk = disk::make_system_disk(nullptr);
  auto side = begin(*disk, one);
  if (!side) return std::unexpected(std::move(side.error()));
  auto other_side = begin(*disk, other);
  if (!other_side) return std::unexpected(std::move(other_side.error()));
  return Comparison(std::move(*side), std::move(*other_side), visit).run(stop);
}

}  // namespace longhaul
