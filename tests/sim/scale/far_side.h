// Eight paths and a receiver that are made up: streams that carry chunks at a rate and with a delay, and the answers of
// a receiver that has them. Nothing is carried but numbers. It keeps the books of law 2: a chunk is given once, and
// once more for each time that its path died under it or it was answered `failed`.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/interval_set.h"
#include "engine/outgoing.h"
#include "engine/planner.h"
#include "sim_base.h"

namespace longhaul::sim {

struct PathModel {
  double bytes_per_s = 50e9;  ///< 400 Gb/s
  Time rtt = 20 * millisecond;
  unsigned streams = 8;
};

/// One in so many; 0: never.
struct Faults {
  Time path_dies_every = 0;         ///< mean, each path; it stays dead for 1 to 10 s
  std::uint64_t chunk_fails = 0;    ///< answered `failed`
  std::uint64_t file_restarts = 0;  ///< large files whose landing file is lost
  std::uint64_t unreadable = 0;     ///< small files that the sender cannot read
};

/// What the sender was told to carry, counted here.
struct Books {
  std::uint64_t assigned = 0;          ///< chunks given to a stream
  std::uint64_t again = 0;             ///< of them: not for the first time
  std::uint64_t may_resend_bytes = 0;  ///< in flight where a path died, answered `failed`, of files begun anew
  std::uint64_t chunks_failed = 0;
  std::uint64_t paths_died = 0;
  std::uint64_t files_restarted = 0;
  std::uint64_t published = 0;
  std::uint64_t unreadable = 0;  ///< small files that came to nothing
  std::uint64_t open_most = 0;   ///< files and bundles that the receiver knew at once
  double capacity_bytes = 0;     ///< what the paths that were up could have carried
};

class FarSide {
 public:
  FarSide(SimClock& clock, const std::vector<PathModel>& paths, Faults faults, std::uint64_t chunk_bytes,
          std::uint64_t seed);

  /// A new session: streams come up, and entries are announced from the first on. What is durable stays.
  void meet(engine::Planner& planner);
  /// The session is lost: whatever is on its way or not durable is gone.
  void part();
  // What a PlannerHost hears.
  void tell(const protocol::Message& message);
  void assign(std::uint32_t id, const engine::ChunkTask& task);

  /// Lets everything happen that is due, in order. False: nothing will ever happen again.
  [[nodiscard]] bool next_event();
  [[nodiscard]] bool all_ended() const { return entries_ && dealt_with_ == *entries_; }
  [[nodiscard]] const Books& books() const { return books_; }
  [[nodiscard]] double rate_of_all() const;

 private:
  static constexpr std::uint32_t attempts_per_restart = 1 << 16;  // the planner's
  enum class Kind : std::uint8_t { answer, verdicts, commit, durable, published, path_dies, path_noticed, path_heals };
  struct Event {
    Time at = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::answer;
    std::uint64_t what = 0;  ///< stream, first entry, path or file
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
  struct Copy {
    std::uint64_t file = 0;
    std::uint64_t chunk = 0;
    std::uint32_t attempt = 0;
    std::uint64_t bytes = 0;
    Time lands = 0;
  };
  struct Stream {
    std::size_t path = 0;
    Time free_at = 0;
    std::deque<Copy> copies;  ///< in the order in which they land
  };
  struct Path {
    PathModel model;
    bool up = true;
    Time up_since = 0;
    Time dead_since = time_never;  ///< bytes that arrive later are lost
    std::vector<std::uint32_t> streams;
  };
  /// One chunk's page in the books.
  struct Page {
    std::uint16_t given = 0;    ///< copies that were given to streams
    std::uint16_t allowed = 1;  ///< copies that may have been given by now
    std::uint16_t landed = 0;   ///< 1 + the latest copy that is here and not durable; 0: none
    bool durable = false;
  };
  struct File {
    std::uint64_t bytes = 0;
    std::uint64_t durable = 0;
    std::uint32_t restarts = 0;
    bool end_told = false;
    bool may_restart = true;
    std::vector<Page> pages;
  };
  struct Bundle {
    Page page;
    std::shared_ptr<const engine::BundlePlan> plan;
  };

  void complain(const std::string& what);
  void at(Time when, Kind kind, std::uint64_t what);
  void happen(const Event& event);
  void decide();
  void decide_file(std::uint64_t id, const protocol::Entry& entry, protocol::Verdict& verdict);
  void file_end(const protocol::FileEnd& end);
  void answer(std::uint32_t id);
  void land(const Copy& copy);
  void commit();
  void deliver_durable();
  void chunk_durable(const Copy& copy);
  void chunk_fails(const Copy& copy);
  bool strikes(const Copy& copy);
  void tell_unreadable(const Copy& copy);
  [[nodiscard]] bool unreadable(std::uint64_t file) const {
    return faults_.unreadable != 0 && file % faults_.unreadable == 0;
  }
  void page_given(const engine::ChunkTask& task);
  void restart(std::uint64_t id);
  void publish_if_whole(std::uint64_t id);
  void published(std::uint64_t id);
  void bring_up(std::size_t number);
  void path_dies(std::size_t number);
  void path_noticed(std::size_t number);
  void schedule_death(std::size_t path);
  /// Null: of a version that has been dealt with, or begun anew.
  [[nodiscard]] Page* page_of(const Copy& copy);
  [[nodiscard]] static std::uint32_t turn(const Copy& copy) { return copy.attempt % attempts_per_restart; }
  [[nodiscard]] Time control_way() const { return paths_.front().model.rtt / 2; }

  SimClock& clock_;
  std::vector<Path> paths_;
  Faults faults_;
  SimRandom random_;
  engine::Planner* planner_ = nullptr;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  std::map<std::uint32_t, Stream> streams_;
  std::uint32_t next_stream_ = 1;
  std::uint64_t chunk_bytes_;
  std::deque<protocol::Announce> announced_;
  std::unordered_map<std::uint64_t, File> files_;
  std::unordered_map<std::uint64_t, Bundle> bundles_;
  std::uint64_t next_bundle_ = 0;
  IntervalSet published_;  ///< entries that stand at their final names: in runs
  std::deque<Copy> landed_;
  std::deque<std::pair<Time, std::deque<Copy>>> groups_;
  bool commit_due_ = false;
  unsigned complaints_ = 0;
  std::optional<std::uint64_t> entries_;
  std::uint64_t dealt_with_ = 0;
  Books books_;
};

}  // namespace longhaul::sim
