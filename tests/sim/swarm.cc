#include "swarm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "security/ticket.h"
#include "stranger.h"

namespace longhaul::sim {
namespace {

constexpr Time run_limit = 3600 * second;

/// Operations that shall fail, counted down as they do.
class FailingOperations {
 public:
  FailingOperations(SimFileSystem& files, SwarmTally& tally) : tally_(tally) {
    files.fault = [this](const FaultPoint& point) { return strike(point); };
  }
  void arm(Fault fault, unsigned times) { left_[fault] += times; }
  /// From now on syncs fail where a large file lands only: small ones are so many that they would take them all.
  void spare_small_files() { spares_small_ = true; }
  void disarm() { left_.clear(); }

 private:
  int strike(const FaultPoint& point) {
    const bool sync = point.operation == "sync" || point.operation == "sync_all";
    const bool data = point.operation == "read" || point.operation == "write" || sync;
    const Fault fault = sync                         ? Fault::sync_fails
                        : point.operation == "write" ? Fault::write_fails
                        : point.operation == "read"  ? Fault::read_fails
                                                     : Fault::name_fails;
    // A walk and a few thousand names: one in a hundred, or all of them would hit the first directory.
    if (!data && ++names_ % 100 != 0) return 0;
    const bool large = point.path.ends_with(".part") || point.path.ends_with(".journal");
    if (fault == Fault::sync_fails && spares_small_ && !large) return 0;
    const auto armed = left_.find(fault);
    if (armed == left_.end() || armed->second == 0) return 0;
    --armed->second;
    ++tally_.struck.at(static_cast<std::size_t>(fault));
    return EIO;
  }

  SwarmTally& tally_;
  std::map<Fault, unsigned> left_;
  std::uint64_t names_ = 0;
  bool spares_small_ = false;
};

class SwarmRun {
 public:
  explicit SwarmRun(std::uint64_t seed)
      : plan_(draw_swarm_plan(seed)),
        world_(seed, plan_.world),
        random_(seed ^ 0x72756e),
        at_target_(world_.target_file_system(), tally_),
        at_source_(world_.source_file_system(), tally_) {
    if (plan_.world.tree.large_chunks > 0 && random_.one_in(2)) at_target_.spare_small_files();
    world_.damage = [this](std::span<std::byte> bytes) { damage(bytes); };
    world_.witness.frames_may_repeat = plan_.has(Fault::frame_twice);
    if (plan_.has(Fault::frame_twice))
      world_.edit = [this](protocol::Type type, ConstBytes unit, std::vector<std::byte>& out) {
        out.insert(out.end(), unit.begin(), unit.end());
        if (type == protocol::Type::frame && take(frames_twice_, Fault::frame_twice))
          out.insert(out.end(), unit.begin(), unit.end());
      };
  }

  SwarmTally run() {
    revive(true);
    revive(false);
    for (const auto& event : plan_.events) {
      if (!run_until_bytes(event.at_bytes)) break;
      happen(event);
    }
    calm();
    const bool ended = world_.run_to_end(run_limit);
    EXPECT_TRUE(ended) << "neither an end nor a verdict within an hour";
    check_progress();
    if (plan_.harmless() && ended) {
      EXPECT_TRUE(world_.sent->ok || world_.ended_well()) << "sender: " << world_.sent->error.text;
      EXPECT_EQ(world_.sent->report.failed_files, 0U);
    }
    world_.check_laws();
    const bool whole = ended && world_.sent->ok && world_.sent->report.failed_files == 0 && plan_.harmless();
    if (!whole && !testing::Test::HasFailure()) run_again();
    if (!testing::Test::HasFailure()) world_.check_complete();
    return finish();
  }

 private:
  void strike(Fault fault) { ++tally_.struck.at(static_cast<std::size_t>(fault)); }
  bool take(unsigned& left, Fault fault) {
    if (left == 0 || !random_.one_in(3)) return false;
    --left;
    strike(fault);
    return true;
  }
  void damage(std::span<std::byte> bytes) {
    if (bytes.empty() || !take(flips_, Fault::flipped_bit)) return;
    bytes[random_.below(bytes.size())] ^= std::byte(1U << random_.below(8));
  }

  /// False: the transfer was over before that.
  bool run_until_bytes(std::uint64_t bytes) {
    const Time limit = world_.world.clock().now() + 600 * second;
    for (;;) {
      const Time next = undo_.empty() ? time_never : undo_.begin()->first;
      world_.world.run_until([&] { return world_.done() || world_.witness.content_bytes() >= bytes; },
                             std::min(limit, next));
      if (world_.done()) return false;
      if (world_.witness.content_bytes() >= bytes || world_.world.clock().now() >= limit) return true;
      undo_next();
    }
  }
  void undo_next() {
    const auto undo = undo_.begin()->second;
    undo_.erase(undo_.begin());
    undo();
  }
  void later(Time after, std::function<void()> what) {
    undo_.emplace(world_.world.clock().now() + after, std::move(what));
  }

  void happen(const SwarmPlan::Event& event) {
    // A random moment, not always the one right after a frame.
    world_.run_for(static_cast<Time>(random_.below(20)) * millisecond);
    switch (event.fault) {
      case Fault::receiver_crash:
      case Fault::receiver_kill:
      case Fault::sender_crash:
      case Fault::sender_kill:
        return die(event);
      case Fault::path_cut:
      case Fault::path_silence:
      case Fault::path_crawl:
      case Fault::connection_reset:
      case Fault::jitter:
        return harm_path(event);
      case Fault::frame_twice:
        frames_twice_ += event.times;
        return;
      case Fault::flipped_bit:
        flips_ += event.times;
        return;
      case Fault::stranger:
        strike(event.fault);
        return send_stranger();
      case Fault::rail_breaks:
        if (world_.world.fabric().fail_one()) strike(event.fault);
        return;
      case Fault::rail_silence:
        if (world_.world.fabric().silence_one()) strike(event.fault);
        return;
      case Fault::sync_fails:
      case Fault::write_fails:
        return at_target_.arm(event.fault, event.times);
      case Fault::read_fails:
        return at_source_.arm(event.fault, event.times);
      case Fault::name_fails:
        return (random_.one_in(3) ? at_source_ : at_target_).arm(event.fault, event.times);
      case Fault::no_space:
        return fill_up(event);
      case Fault::hiccups:
      case Fault::slow_disk:
      case Fault::slow_sync:
        return harm_disks(event);
      case Fault::source_rewrite:
      case Fault::secret_rewrite:
        strike(event.fault);
        return world_.rewrite_source(source_to_rewrite(), event.fault == Fault::secret_rewrite);
    }
  }

  /// Any one; more often the large file or one of one chunk, which take their time and are few among many.
  const std::string& source_to_rewrite() {
    const auto& files = world_.source_files();
    const std::size_t drawn = random_.below(files.size());
    const auto named = [&](const char* word) {
      return std::ranges::find_if(files, [&](const std::string& file) { return file.find(word) != std::string::npos; });
    };
    const auto at = drawn % 3 == 0 ? named("large") : drawn % 3 == 1 ? named("chunk ") : files.end();
    return at == files.end() ? files[drawn] : *at;
  }

  void die(const SwarmPlan::Event& event) {
    const bool receiver = event.fault == Fault::receiver_crash || event.fault == Fault::receiver_kill;
    if (receiver ? receiver_dead_ : sender_dead_) return;
    if (receiver ? world_.received.has_value() : world_.sent.has_value()) return;  // it has ended by itself
    strike(event.fault);
    switch (event.fault) {
      case Fault::receiver_crash:
        world_.crash_receiver();
        break;
      case Fault::receiver_kill:
        world_.kill_receiver();
        break;
      case Fault::sender_crash:
        world_.crash_sender();
        break;
      default:
        world_.kill_sender();
    }
    (receiver ? receiver_dead_ : sender_dead_) = true;
    later(event.lasts, [this, receiver] { revive(receiver); });
  }
  void revive(bool receiver) {
    if (!std::exchange(receiver ? receiver_dead_ : sender_dead_, false)) return;
    if (receiver ? world_.start_receiver() : world_.start_sender()) return;
    // With a broken or full disk it says so and ends: somebody starts it again.
    (receiver ? receiver_dead_ : sender_dead_) = true;
    later(second, [this, receiver] { revive(receiver); });
  }

  void harm_path(const SwarmPlan::Event& event) {
    auto& network = world_.world.network();
    const std::string a = TransferWorld::sender_host(event.path);
    const std::string b = TransferWorld::receiver_host(event.path);
    const Path usual = plan_.world.paths[event.path];
    Path changed = usual;
    strike(event.fault);
    switch (event.fault) {
      case Fault::path_cut:
        network.cut(a, b);
        return later(event.lasts, [&network, a, b] { network.heal(a, b); });
      case Fault::path_silence:
        network.silence(a, b);
        return later(event.lasts, [&network, a, b] { network.heal(a, b); });
      case Fault::path_crawl:
        changed.bytes_per_s = std::max<std::uint64_t>(usual.bytes_per_s / 100, 10'000);
        network.set_path(a, b, changed);
        return later(event.lasts, [&network, a, b, usual] { network.set_path(a, b, usual); });
      case Fault::jitter:
        changed.jitter = 50 * millisecond;
        return network.set_path(a, b, changed);
      default:
        network.break_one(a, b);
    }
  }

  void harm_disks(const SwarmPlan::Event& event) {
    strike(event.fault);
    auto& source = world_.source_file_system();
    auto& target = world_.target_file_system();
    if (event.fault == Fault::hiccups) source.hiccups = target.hiccups = true;
    if (event.fault == Fault::slow_disk)
      source.delay_max = target.delay_max = static_cast<Time>(random_.below(50)) * millisecond;
    if (event.fault == Fault::slow_sync) target.sync_delay = static_cast<Time>(random_.below(5000)) * millisecond;
  }

  void fill_up(const SwarmPlan::Event& event) {
    strike(event.fault);
    auto& target = world_.target_file_system();
    target.capacity_bytes = target.used_bytes() + 1 + random_.below(100'000);
    later(event.lasts, [&target] { target.capacity_bytes = 0; });
  }

  void send_stranger() {
    const std::string name = "stranger " + std::to_string(strangers_++);
    Process& process = world_.world.start(name, "10.99.0.1", "stranger");
    process.roles.push_back(std::make_shared<Stranger>(
        world_.world.wire(process), security::parse_ticket(world_.ticket())->addresses.front(), random_.fork()));
    later(20 * second, [this, name] { world_.world.kill(name); });
  }

  /// Everything that went wrong is over.
  void calm() {
    at_target_.disarm();
    at_source_.disarm();
    frames_twice_ = flips_ = 0;
    while (!undo_.empty()) {
      if (!world_.done()) world_.world.run_until([&] { return world_.done(); }, undo_.begin()->first);
      undo_next();
    }
  }

  /// The same commands again, with nothing in their way: they must complete it.
  void run_again() {
    ++tally_.runs;
    world_.kill_sender();
    world_.kill_receiver();
    world_.new_commands();
    receiver_dead_ = sender_dead_ = true;
    revive(true);
    revive(false);
    EXPECT_TRUE(world_.run_to_end(run_limit)) << "the second run does not end";
    check_progress();
    if (world_.sent) {
      EXPECT_EQ(world_.sent->report.failed_files, 0U) << "in the second run";
    }
  }

  /// No fault lasts as long as it takes until a side says so: something was lost between the two.
  void check_progress() const {
    for (const auto& outcome : {world_.sent, world_.received})
      if (outcome) {
        EXPECT_FALSE(outcome->error.text.starts_with("no progress")) << outcome->error.text;
      }
  }

  SwarmTally finish() {
    tally_.files = world_.source_files().size();
    tally_.chunks = plan_.world.tree.chunk_files + plan_.world.tree.large_chunks;
    tally_.frames_again = world_.witness.frames_again();
    tally_.published = world_.laws.published();
    tally_.by_rail = world_.world.fabric().landed();
    tally_.virtual_seconds = static_cast<double>(world_.world.clock().now()) / second;
    tally_.hash = world_.world.hash();
    if (testing::Test::HasFailure())
      for (const std::string& line : world_.world.trace().last_events()) std::cout << "    " << line << '\n';
    return tally_;
  }

  SwarmPlan plan_;
  SwarmTally tally_;
  TransferWorld world_;
  SimRandom random_;
  FailingOperations at_target_;
  FailingOperations at_source_;
  std::multimap<Time, std::function<void()>> undo_;
  unsigned frames_twice_ = 0;
  unsigned flips_ = 0;
  unsigned strangers_ = 0;
  bool receiver_dead_ = true;
  bool sender_dead_ = true;
};

}  // namespace

SwarmTally run_swarm_seed(std::uint64_t seed) {
  SwarmRun run(seed);
  return run.run();
}

}  // namespace longhaul::sim
