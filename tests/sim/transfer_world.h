// One transfer in a simulated world: a receiver that listens, a sender that dials it over two paths, and a checker.
// Everything in it is drawn from one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edited_wire.h"
#include "engine/runtime.h"
#include "engine/session_core.h"
#include "laws.h"
#include "longhaul/transfer.h"
#include "protocol/bounds.h"
#include "sim_world.h"
#include "transfer_witness.h"

namespace longhaul::sim {

/// The source tree of a test.
struct TreeShape {
  unsigned small_files = 40;       ///< some of them empty, some in chunks of their own
  unsigned chunk_files = 0;        ///< each in one chunk of its own
  std::uint64_t large_chunks = 3;  ///< of the one large file; 0: none
  bool holes = false;              ///< files of some pages and more have holes
  bool shrinks = false;            ///< three files of four have content that packing halves
};

/// What a world is made of, besides its seed.
struct WorldPlan {
  std::vector<Path> paths;  ///< at least two
  unsigned workers = 1;
  unsigned streams = 1;
  std::uint64_t chunk_bytes = protocol::node_bytes;
  std::uint32_t source_alignment = 0;  ///< 0: no O_DIRECT
  std::uint32_t target_alignment = 0;
  bool syncfs = false;  ///< the receiver is told to sync all at once, where the target can
  TreeShape tree;
  struct Policy {
    std::vector<std::string> require;
    std::vector<std::string> forbid;
  };
  /// Not empty: the source is published as a whole, as this directory of the target.
  std::string publish_as;
  std::vector<std::vector<std::string>> tags;  ///< of each path; none where there is no entry
  std::vector<bool> by_rail;                   ///< of each path: its frames go by the world's fabric
  Policy sender;
  Policy receiver;
  // What else their options are, if anything.
  std::function<void(Options&)> sender_options;
  std::function<void(Options&)> receiver_options;
};

class TransferWorld {
 public:
  static constexpr const char* target = "target";
  /// Where the content of the source is to be seen at the end.
  [[nodiscard]] std::string landing() const {
    return plan_.publish_as.empty() ? target : std::string(target) + "/" + plan_.publish_as;
  }
  static constexpr const char* source = "src";

  /// Two paths, and the rest drawn from the seed.
  explicit TransferWorld(std::uint64_t seed, TreeShape shape = {});
  TransferWorld(std::uint64_t seed, WorldPlan plan);
  ~TransferWorld() { world.fabric().landing = {}; }  // rails land until their end, and the world ends last
  TransferWorld(const TransferWorld&) = delete;
  TransferWorld& operator=(const TransferWorld&) = delete;

  /// False: it could not start, and says why in `start_problem`.
  bool start_receiver();
  bool start_sender();
  std::string start_problem;
  /// What starts next are new commands: the sender takes the ticket that the receiver then prints.
  void new_commands() { ticket_.clear(); }
  /// Runs until so many file bytes have come in frames, over all lives, and then a little further: a random moment.
  void run_to_bytes(std::uint64_t content_bytes);
  void run_for(Time time);
  /// Runs until both ends are done; then both shut down. False: they were not done after `limit` of virtual time.
  bool run_to_end(Time limit = 3600 * second);

  // What happens to processes. The laws that hold after it are checked.
  void crash_receiver();
  void crash_sender();
  void kill_receiver();
  void kill_sender();

  /// Asks the process ("sender", "receiver") for a change; `answers` gets its answer.
  void adjust(const std::string& process, const Adjustment& adjustment);
  std::vector<Result<std::string>> answers;

  /// A source file gets other content of its own size, and another mtime or (`secretly`) the same.
  void rewrite_source(const std::string& path, bool secretly);
  /// It keeps its content and gets another mtime.
  void touch_source(const std::string& path);
  void add_source_file(const std::string& path, std::uint64_t bytes);
  void remove_source_file(const std::string& path);

  /// Every file at its final name is whole and right; everything promised is there; nothing was written elsewhere.
  void check_laws();
  /// The target equals the source, both ends say so, nothing is left in the landing zone.
  void check_complete();
  /// How much more than the tree may have come by now, after interruptions of either end.
  [[nodiscard]] std::uint64_t resent_bytes_max() const;

  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_.below(below); }
  [[nodiscard]] std::uint64_t tree_bytes() const { return tree_bytes_; }
  [[nodiscard]] const std::vector<std::string>& source_files() const { return source_files_; }
  [[nodiscard]] bool done() const;
  /// A sender that came back after the receiver was done heard that its ticket has been used, or found nobody any more:
  /// that is an end, too.
  [[nodiscard]] bool ended_well() const;
  [[nodiscard]] const WorldPlan& plan() const { return plan_; }
  [[nodiscard]] static std::string sender_host(std::size_t path) { return "10." + std::to_string(path) + ".0.1"; }
  [[nodiscard]] static std::string receiver_host(std::size_t path) { return "10." + std::to_string(path) + ".0.2"; }
  /// Of the way from one of the sender's hosts to one of the receiver's; see SimNetwork.
  [[nodiscard]] std::uint64_t bytes_between(std::size_t here, std::size_t there) {
    return world.network().bytes_between(sender_host(here), receiver_host(there));
  }
  [[nodiscard]] std::uint64_t dials_between(std::size_t here, std::size_t there) {
    return world.network().dials_between(sender_host(here), receiver_host(there));
  }
  [[nodiscard]] SimFileSystem& source_file_system() { return world.file_system("sender"); }
  [[nodiscard]] SimFileSystem& target_file_system() { return world.file_system("receiver"); }
  [[nodiscard]] const std::string& ticket() const { return ticket_; }

  SimWorld world;
  Laws laws;
  Witness witness;
  WitnessedWire::Damage damage;  ///< of what the receiver reads; set before it starts
  EditedWire::Edit edit;         ///< of what the sender says; set before it starts
  /// What either end ("sender", "receiver") tells its user; set before it starts.
  std::function<void(const std::string& who, const Event& event)> on_event;
  std::optional<Outcome> sent;
  std::optional<Outcome> received;

 private:
  struct Life;
  void tell_story();
  void make_tree();
  void see_landing(std::span<std::byte> bytes);
  [[nodiscard]] std::string at_target(const std::string& path) const {
    return plan_.publish_as.empty() ? path : plan_.publish_as + "/" + path;
  }
  void cut_holes(std::span<std::byte> content);
  std::shared_ptr<Life> start(const std::string& name, const std::string& host, engine::SessionSetup setup);
  void count_loss();

  SimRandom random_;
  WorldPlan plan_;
  std::vector<std::string> source_files_;  ///< relative to `source`
  std::uint64_t tree_bytes_ = 0;
  std::uint64_t lost_bytes_ = 0;  // that had come and were not durable at interruptions
  Time sent_at_ = 0;              // when the sender ended
  std::string ticket_;
  std::weak_ptr<Life> receiver_;
  std::weak_ptr<Life> sender_;
};

}  // namespace longhaul::sim
