#include "engine/announce_queue.h"

#include <utility>

#include "engine/outgoing.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"

namespace longhaul::engine {
namespace {

/// Of each lane: some 20,000 files with names of usual length.
constexpr std::size_t lane_bytes_max = std::size_t{8} << 20U;

std::size_t memory_of(const Entry& entry) {
  return sizeof(Entry) + entry.path.size() + entry.link_target.size() + protocol::attribute_bytes(entry);
}

bool has_room(const AnnounceRoom& room, const Entry& entry) {
  if (is_journalled(entry)) return room.large;
  if (entry.type == EntryType::hard_link && entry.size > protocol::whole_bytes_max) return room.other;
  if (entry.type == EntryType::file || entry.type == EntryType::hard_link) return room.small;
  return room.other;
}

}  // namespace

/// Null: it waits for nobody.
AnnounceQueue::Lane* AnnounceQueue::lane_of(const Entry& entry) {
  if (entry.type != EntryType::file && entry.type != EntryType::hard_link) return nullptr;
  return is_journalled(entry) || entry.size > protocol::whole_bytes_max ? &large_ : &small_;
}

std::optional<Entry> AnnounceQueue::take_from(Lane& lane) {
  Entry entry = std::move(lane.entries.front());
  lane.entries.pop_front();
  lane.bytes -= memory_of(entry);
  return entry;
}

/// The first of those that nobody has looked at.
bool AnnounceQueue::pass_by(Lane& lane) {
  const Entry& entry = ahead_.front();
  if (tops_in_order_ && !entry.path.contains('/')) return false;
  const std::size_t bytes = memory_of(entry);
  if (!lane.entries.empty() && lane.bytes + bytes > lane_bytes_max) return false;
  lane.bytes += bytes;
  lane.entries.push_back(std::move(ahead_.front()));
  ahead_.pop_front();
  return true;
}

std::optional<Entry> AnnounceQueue::take(const AnnounceRoom& room) {
  if (!room.other) return std::nullopt;
  for (Lane* lane : {&large_, &small_})
    if (!lane->entries.empty() && has_room(room, lane->entries.front())) return take_from(*lane);
  while (!ahead_.empty()) {
    Lane* lane = lane_of(ahead_.front());
    const bool in_turn = lane == nullptr || lane->entries.empty();
    if (in_turn && has_room(room, ahead_.front())) {
      Entry entry = std::move(ahead_.front());
      ahead_.pop_front();
      return entry;
    }
    if (lane == nullptr || !pass_by(*lane)) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace longhaul::engine
