// One transfer in a simulated world: a receiver that listens, a sender that dials it over two paths, and a checker.
// Everything in it is drawn from one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/runtime.h"
#include "engine/session_core.h"
#include "longhaul/transfer.h"
#include "sim_world.h"
#include "transfer_witness.h"

namespace longhaul::sim {

/// What a test's world is made of, besides its seed.
struct TreeShape {
  unsigned small_files = 40;
  std::uint64_t large_chunks = 3;  ///< of the one large file; 0: none
};

class TransferWorld {
 public:
  static constexpr const char* target = "target";
  static constexpr const char* source = "src";

  explicit TransferWorld(std::uint64_t seed, TreeShape shape = {});

  void start_receiver();
  void start_sender();
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

  /// Every file at its final name is whole and right; everything promised is there; nothing was written elsewhere.
  void check_laws();
  /// The target equals the source, both ends say so, nothing is left in the landing zone.
  void check_complete();
  /// How much more than the tree may have come by now, after interruptions of either end.
  [[nodiscard]] std::uint64_t resent_bytes_max() const;

  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_.below(below); }
  [[nodiscard]] std::uint64_t tree_bytes() const { return tree_bytes_; }
  [[nodiscard]] bool done() const;

  SimWorld world;
  Witness witness;
  WitnessedWire::Damage damage;  ///< of what the receiver reads
  std::optional<Outcome> sent;
  std::optional<Outcome> received;

 private:
  struct Life;
  void tell_story();
  void make_tree(const TreeShape& shape);
  std::shared_ptr<Life> start(const std::string& name, const std::string& host, engine::SessionSetup setup);
  void count_loss();
  void check_promises(const Tree& landed);
  [[nodiscard]] bool ended_well() const;

  SimRandom random_;
  std::uint64_t tree_bytes_ = 0;
  std::uint64_t lost_bytes_ = 0;  // that had come and were not durable at interruptions
  unsigned workers_ = 1;
  unsigned streams_ = 1;
  bool late_ = false;  // the receiver was started again after the sender had heard that all was done
  std::string ticket_;
  std::weak_ptr<Life> receiver_;
  std::weak_ptr<Life> sender_;
};

}  // namespace longhaul::sim
