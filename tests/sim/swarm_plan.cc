// What a seed draws.
#include <algorithm>
#include <array>

#include "swarm.h"

namespace longhaul::sim {
namespace {

constexpr std::array<std::string_view, fault_kinds> names{
    "receiver crash", "receiver kill",    "sender crash",   "sender kill",    "path cut",    "path silence",
    "path crawl",     "connection reset", "jitter",         "frame twice",    "flipped bit", "stranger",
    "sync fails",     "write fails",      "read fails",     "name fails",     "no space",    "hiccups",
    "slow disk",      "slow sync",        "source rewrite", "secret rewrite", "rail breaks", "rail silence"};

constexpr std::array standing{Fault::jitter, Fault::hiccups, Fault::slow_disk, Fault::slow_sync};
constexpr std::array deaths_and_paths{Fault::receiver_crash,  Fault::receiver_kill, Fault::sender_crash,
                                      Fault::sender_kill,     Fault::path_cut,      Fault::path_silence,
                                      Fault::connection_reset};
constexpr std::array harmful{Fault::flipped_bit, Fault::sync_fails, Fault::write_fails,    Fault::read_fails,
                             Fault::name_fails,  Fault::no_space,   Fault::source_rewrite, Fault::secret_rewrite};

bool among(Fault fault, std::span<const Fault> list) {
  return std::ranges::find(list, fault) != list.end();
}

/// At least 200 files, or 50 chunks; sometimes both, sometimes a large file beside them.
TreeShape draw_tree(SimRandom& random) {
  TreeShape tree;
  tree.small_files = 200 + static_cast<unsigned>(random.below(60));
  tree.large_chunks = 0;
  if (random.one_in(3)) {
    tree.small_files = static_cast<unsigned>(random.below(40));
    tree.chunk_files = 55 + static_cast<unsigned>(random.below(20));
  }
  if (random.one_in(3)) tree.large_chunks = 2 + random.below(2);
  return tree;
}

WorldPlan draw_world(SimRandom& random) {
  WorldPlan plan;
  const std::size_t paths = 2 + random.below(3);
  for (std::size_t i = 0; i < paths; ++i) {
    Path path;
    path.delay = static_cast<Time>(random.below(4) == 0 ? random.below(300) : 1 + random.below(30)) * millisecond;
    path.bytes_per_s = 1'000'000 + random.below(200'000'000);
    plan.paths.push_back(path);
  }
  plan.workers = static_cast<unsigned>(1 + random.below(3));
  plan.streams = static_cast<unsigned>(1 + random.below(3));
  plan.chunk_bytes = random.one_in(4) ? 2 * protocol::node_bytes : protocol::node_bytes;
  if (random.one_in(2)) plan.target_alignment = 512;
  if (random.one_in(2)) plan.source_alignment = 4096;
  plan.tree = draw_tree(random);
  return plan;
}

std::uint64_t bytes_about(const TreeShape& tree) {
  return tree.small_files * 4'000ULL + tree.chunk_files * 230'000ULL + tree.large_chunks * protocol::node_bytes;
}

}  // namespace

std::string_view name_of(Fault fault) {
  return names.at(static_cast<std::size_t>(fault));
}

bool SwarmPlan::has(Fault fault) const {
  return std::ranges::any_of(events, [fault](const Event& event) { return event.fault == fault; });
}

bool SwarmPlan::harmless() const {
  return std::ranges::none_of(events, [](const Event& event) { return among(event.fault, harmful); });
}

SwarmPlan draw_swarm_plan(std::uint64_t seed) {
  SimRandom random(seed ^ 0x737761726d);
  SwarmPlan plan;
  plan.world = draw_world(random);
  const std::uint64_t bytes = bytes_about(plan.world.tree);
  const auto add_of = [&](SimRandom& from, Fault fault) {
    SwarmPlan::Event event{.fault = fault};
    event.at_bytes = among(fault, standing) ? 0 : from.below(bytes * 11 / 10);
    event.path = from.below(plan.world.paths.size());
    event.lasts = static_cast<Time>(from.one_in(3) ? from.below(40'000) : from.below(1500)) * millisecond;
    event.times = static_cast<unsigned>(from.one_in(4) ? 1 + from.below(40) : 1);
    plan.events.push_back(event);
  };
  const auto add = [&](Fault fault) { add_of(random, fault); };
  // Swarm: each seed leaves most kinds out, so that the others meet undisturbed. In half of them nothing is harmful:
  // they must end well by themselves.
  const bool harmless = random.one_in(2);
  for (std::size_t kind = 0; kind < static_cast<std::size_t>(Fault::rail_breaks); ++kind) {
    const auto fault = static_cast<Fault>(kind);
    if (!random.one_in(5) || (harmless && among(fault, harmful))) continue;
    for (std::uint64_t times = among(fault, standing) ? 1 : 1 + random.below(3); times > 0; --times) add(fault);
  }
  if (!random.one_in(5)) add(deaths_and_paths.at(random.below(deaths_and_paths.size())));
  // Beside the rest, each from numbers of its own: a seed stays what it was.
  SimRandom rails(seed ^ 0x7261696c73);
  if (rails.one_in(3)) {
    for (std::size_t path = 0; path < plan.world.paths.size(); ++path) plan.world.by_rail.push_back(rails.one_in(2));
    for (const Fault fault : {Fault::rail_breaks, Fault::rail_silence})
      for (std::uint64_t times = rails.one_in(2) ? 1 + rails.below(3) : 0; times > 0; --times) add_of(rails, fault);
  }
  std::ranges::sort(plan.events, {},
                    [](const SwarmPlan::Event& event) { return std::pair(event.at_bytes, event.fault); });
  plan.world.tree.holes = SimRandom(seed ^ 0x686f6c6573).one_in(3);
  plan.world.syncfs = SimRandom(seed ^ 0x73796e636673).one_in(3);
  SimRandom packing(seed ^ 0x7a737464);
  if (packing.one_in(4)) {
    const bool automatic = packing.one_in(2);
    plan.world.tree.shrinks = true;
    plan.world.sender_options = [automatic](Options& options) {
      options.compression = {automatic ? Compression::Mode::automatic : Compression::Mode::always, 1};
    };
  }
  return plan;
}

std::uint64_t SwarmTally::crashes_and_path_faults() const {
  std::uint64_t sum = 0;
  for (const Fault fault : deaths_and_paths) sum += struck.at(static_cast<std::size_t>(fault));
  return sum;
}

}  // namespace longhaul::sim
