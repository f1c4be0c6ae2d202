// Processes made of roles, on simulated machines, driven by one 64-bit seed in one thread. The same seed gives the same
// run and the same hash.
//
//   SimWorld world(seed);
//   auto& disk = world.file_system("sender");
//   auto& process = world.start("sender", "10.0.0.1", "sender");      // name, host, file system
//   process.roles.push_back(std::make_shared<...>(world.clock(), world.random(), world.wire(process), ...));
//   EXPECT_EQ(world.run_until([&] { return done; }, 60 * second), RunEnd::reached) << world.seed_words();
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/role.h"
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_fabric.h"
#include "sim_poller.h"
#include "sim_wire.h"

namespace longhaul::sim {

struct Process {
  std::string name;
  std::string host;
  SimFileSystem* files = nullptr;
  /// Stepped by the world; more may be added while it runs, also by a role's step. Destroyed last to first.
  std::vector<std::shared_ptr<Role>> roles;
  /// What roles share; destroyed after them, last to first.
  std::vector<std::shared_ptr<void>> shared;
};

enum class RunEnd : std::uint8_t {
  reached,   ///< the predicate holds
  deadline,  ///< virtual time is up
  stuck,     ///< nobody wants to run and nothing is due, ever
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] const SimClock& clock() const { return clock_; }
  [[nodiscard]] SimRandom& random() { return random_; }  ///< for the code under test
  [[nodiscard]] SimNetwork& network() { return network_; }
  /// Of all machines: rails between endpoints that are on hosts of the network.
  [[nodiscard]] SimFabric& fabric() { return fabric_; }
  [[nodiscard]] Trace& trace() { return trace_; }
  /// Made when first asked for; outlives every process.
  SimFileSystem& file_system(const std::string& name);

  Process& start(const std::string& name, const std::string& host, const std::string& file_system_name);
  [[nodiscard]] wire::Wire& wire(const Process& process) { return network_.wire(process.name, process.host); }
  [[nodiscard]] std::unique_ptr<disk::Disk> make_disk(const Process& process) {
    return process.files->make_disk(process.name);
  }
  [[nodiscard]] std::unique_ptr<Poller> make_poller();
  /// Tells what the thread of `role` waits on: it is then stepped only when that thread would have woken. Roles without
  /// are stepped in every round. Both live as long as the role.
  void seat(const Role& role, Poller& poller, disk::Disk& disk);
  /// kill -9: roles, handles, locks and connections go, what was written stays in the page cache. Not from within a
  /// step.
  void kill(const std::string& name, Death death = Death::reset);
  /// Loss of power: every process on that file system is killed in silence, and what was not synced may be lost.
  void crash(const std::string& file_system_name);

  /// Steps all roles, in random order, until `reached` holds. `virtual_deadline`: on this world's clock.
  RunEnd run_until(const std::function<bool()>& reached, Time virtual_deadline);
  /// Called before each round: where a swarm test brings in faults, kills and cuts.
  std::function<void()> between_rounds;

  [[nodiscard]] std::uint64_t hash() const { return trace_.hash(); }
  /// "seed 42": for the words of a failed test.
  [[nodiscard]] std::string seed_words() const;

 private:
  Time step_all();
  Time step(Role& role);
  [[nodiscard]] Time next_due(Time after) const;

  std::uint64_t seed_;
  SimClock clock_;
  Trace trace_{clock_};
  SimRandom seeds_;
  SimRandom random_;
  SimRandom order_;
  SimNetwork network_;
  SimFabric fabric_;
  std::map<std::string, std::unique_ptr<SimFileSystem>> file_systems_;
  struct Seat {
    SimPoller* poller = nullptr;
    SimDisk* disk = nullptr;
    Time wanted = 0;
  };
  [[nodiscard]] bool wakes(Seat& seat);
  std::map<const Role*, Seat> seats_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace longhaul::sim
