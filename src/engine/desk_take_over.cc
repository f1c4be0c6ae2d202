// With whole trees: what the tree that is replaced has of a file already, or an earlier run has landed, is not sent
// again, and not changed.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/stages.h"
#include "chunk/zero_runs.h"
#include "disk/blocking.h"
#include "engine/content_key.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

/// Holes stay holes.
Result<> write_piece(disk::Disk& disk, disk::OpenFile& to, std::uint64_t offset, ConstBytes piece, bool sparse) {
  const StageScope scope(Stage::write);
  if (!sparse) return disk::write_now(disk, to, offset, piece);
  constexpr std::size_t block = chunk::hole_block_bytes;
  for (auto run = chunk::next_run(piece, 0, block); run.bytes > 0;
       run = chunk::next_run(piece, run.begin + run.bytes, block))
    if (auto written = disk::write_now(disk, to, offset + run.begin, piece.subspan(run.begin, run.bytes)); !written)
      return written;
  return {};
}

/// Returns the root of what was written; of nothing: it could not be read to its end. Errors: it could not be written.
Result<Digest> copy_content(disk::Disk& disk, disk::OpenFile& from, disk::OpenFile& to, const Entry& entry) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(ContentHash::piece_bytes, entry.size));
  ContentHash hash(Delta::xxh3, true);
  for (std::uint64_t offset = 0; offset < entry.size; offset += buffer.size()) {
    const StageScope scope(Stage::read);
    const Bytes piece =
        Bytes(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), entry.size - offset)));
    const auto read = disk::read_now(disk, from, offset, piece);
    if (!read || *read < piece.size()) return Digest{};
    if (auto written = write_piece(disk, to, offset, piece, entry.sparse); !written)
      return std::unexpected(std::move(written.error()));
    const StageScope digesting(Stage::digest);
    hash.add(piece);
  }
  return hash.finish().root;
}

}  // namespace

/// What there is of a file already that it can be compared with: where it lands, or in the tree that is replaced. What
/// an earlier run has landed is nearer to what the source has now, but of another size it is no use to --checksum.
Result<std::optional<OlderFile>> Desk::older_of(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                                                const Result<disk::Stat>& there) {
  const bool by_pieces = setup_.delta && entry.size > protocol::whole_bytes_max;
  if (!entry.size_known || !(setup_.checksum || by_pieces)) return std::nullopt;
  const bool is_file = there && there->type == disk::FileType::file;
  if (trees_ && !(is_file && (!setup_.checksum || is_of_same_size(entry, *there)))) {
    auto old = trees_->older(entry, name);
    if (!old || *old) return old;
  }
  if (!is_file) return std::nullopt;
  return OlderFile{parent, *there};
}

/// With whole trees: what the tree that is replaced has in the same version is not sent. Nothing: it must be.
std::optional<Decision> Desk::take_over(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                        const std::string& name, const std::optional<OlderFile>& older,
                                        const ComparedContent* compared) {
  if (setup_.checksum) {
    if (!older || !has_same_content(entry, older->stat, compared)) return std::nullopt;
    return take_compared(entry, parent, parent_path, name, *older, *compared);
  }
  const auto old = trees_->older(entry, name);
  if (!old) return refuse(old.error().code, old.error().text);
  if (!*old) return std::nullopt;
  const auto linked = trees_->link(entry, **old, parent, name, mtime_granularity_ns_);
  if (!linked) return refuse(linked.error().code, linked.error().text);
  return *linked ? std::optional(skip(entry)) : std::nullopt;
}

/// What differs in anything but its content must not be changed, for the old tree has it: it is copied, or with a delta
/// (what is large). So is what an earlier run gave its second name, and is to show something else now.
std::optional<Decision> Desk::take_compared(const Entry& entry, const disk::DirPtr& parent,
                                            const std::string& parent_path, const std::string& name,
                                            const OlderFile& older, const ComparedContent& compared) {
  if (older.directory != parent) {
    const auto linked = trees_->link(entry, older, parent, name, mtime_granularity_ns_);
    if (!linked) return refuse(linked.error().code, linked.error().text);
    const auto there = setup_.disk.stat(parent, name);
    if (*linked && there)
      if (auto kept = keep(entry, parent, name, *there, &compared)) return kept;
  }
  return copy_older(entry, parent, parent_path, name, older, compared);
}

/// What lands whole is copied here and now; its name comes with the commit, as if it had been sent. Nothing: it is too
/// large for that, cannot be read, or is another version by now.
std::optional<Decision> Desk::copy_older(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                         const std::string& name, const OlderFile& older,
                                         const ComparedContent& compared) {
  if (entry.size > protocol::whole_bytes_max) return std::nullopt;
  const auto from = setup_.disk.open_file(older.directory, name, disk::Open::read, false);
  if (!from) return std::nullopt;
  auto zone = setup_.zone->zone_for(parent, parent_path);
  if (!zone) return refuse(zone.error().code, zone.error().text);
  auto file = std::make_shared<InFile>();
  file->entry = entry;
  file->name = name;
  file->parent = parent;
  file->zone = *std::move(zone);
  auto begun = setup_.zone->begin_small(setup_.disk, entry.path, parent, file->zone);
  if (!begun) return refuse(begun.error().code, begun.error().text);
  file->landing_file = *std::move(begun);
  const auto root = copy_content(setup_.disk, **from, *file->landing_file.data, entry);
  Result<> ready = root ? Result<>() : std::unexpected(root.error());
  const bool same = root && *root == compared.root;
  if (same) ready = set_metadata(setup_.disk, *file->landing_file.data, *file);
  if (!ready || !same) {
    (void)setup_.zone->drop(file->landing_file);
    if (ready) return std::nullopt;
    return refuse(ready.error().code,
                  "cannot copy " + printable(entry.path) + " at the receiver: " + ready.error().text);
  }
  setup_.counters.count(file->unkept);
  Decision decision = skip(entry);
  decision.kept = KeptFile{file->landing_file.data,
                           {entry.path, entry.size, entry.mtime_ns, *root},
                           true,
                           trees_->log_of(entry.path),
                           std::move(file)};
  return decision;
}

}  // namespace longhaul::engine
