// Files at the target that stay: by size and time, or with --checksum by content.
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "engine/comparer.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"

namespace longhaul::engine {

bool has_same_content(const Entry& entry, const disk::Stat& there, const ComparedContent* compared) {
  return compared != nullptr && compared->equal && is_of_same_size(entry, there) &&
         same_version(compared->version, there);
}

/// What is at the target is looked at anew: it may have changed meanwhile.
Decision Desk::decide_compared(std::uint64_t id, Entry entry, const ComparedContent& found) {
  auto [parent_path, name] = split_path(entry.path);
  auto parent = directory(parent_path);
  if (!parent) return without_parent(entry, parent.error());
  return take_file(id, std::move(entry), *parent, parent_path, std::move(name), &found);
}

bool Desk::stays(const Entry& entry, const disk::DirPtr& parent, const std::string& name, const disk::Stat& there,
                 const ComparedContent* compared) {
  const bool same = setup_.checksum ? has_same_content(entry, there, compared)
                                    : is_of_same_size(entry, there) && unchanged(there, entry);
  if (!same || !trees_ || there.links < 2) return same;
  return unchanged(there, entry) && trees_->may_stay(entry, parent, name, there);
}

/// Everything but its content becomes what the entry says. What was compared can have another time; and it is noted in
/// the manifest, which may know nothing of it or something else, so that it must be durable whoever has written it.
/// Nothing: another file stands there by now.
std::optional<Decision> Desk::keep(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                                   const disk::Stat& there, const ComparedContent* compared) {
  disk::FilePtr file;
  if (compared != nullptr) {  // first, for it may get a mode that forbids it
    auto opened = setup_.disk.open_file(parent, name, disk::Open::read, false);
    if (!opened) return std::nullopt;
    const auto found = setup_.disk.stat(**opened);
    if (!found || !same_version(*found, there)) return std::nullopt;
    file = *std::move(opened);
  }
  // A file that another tree shares shows everything already (stays(), TreeLanding::link): nothing of it is touched,
  // for even a change to what it has would cost the other tree's file its setuid bit and capabilities.
  auto matched = trees_ && there.links > 1 ? Result<disk::FilePtr>() : match(parent, name, there, entry);
  if (!matched) return refuse(matched.error().code, matched.error().text);
  if (file && !unchanged(there, entry))
    if (auto set = setup_.disk.set_mtime(*file, entry.mtime_ns); !set)
      return refuse(set.error().code, printable(entry.path) +
                                          " has the right content at the target, but its time cannot be set there: " +
                                          set.error().text + "; give the file to the user that receives, or remove it");
  Decision decision = skip(entry);
  const bool noted = compared != nullptr;
  if (!noted) file = *std::move(matched);
  if (file)
    decision.kept = KeptFile{std::move(file),
                             {entry.path, entry.size, entry.mtime_ns, noted ? compared->root : Digest{}},
                             noted,
                             trees_ ? trees_->log_of(entry.path) : nullptr};
  return decision;
}

}  // namespace longhaul::engine
