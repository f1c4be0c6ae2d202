#include "transfer_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

#include "base/digest.h"
#include "base/log.h"
#include "clear_guard.h"
#include "engine/feed.h"
#include "longhaul/sink.h"
#include "protocol/bounds.h"
#include "security/identity.h"
#include "security/ticket.h"

namespace longhaul::sim {
namespace {

std::string words_of(const protocol::Chunks& chunks) {
  std::string text;
  for (int i = 0; i < chunks.file_size(); ++i)
    text += fmt::format(" {}:{}", static_cast<std::int64_t>(chunks.file(i)), chunks.chunk(i));
  return text;
}

std::string words_of(const protocol::Message& message) {
  using Body = protocol::Message::BodyCase;
  switch (message.body_case()) {
    case Body::kReceived:
      return "received" + words_of(message.received());
    case Body::kDurable:
      return "durable" + words_of(message.durable());
    case Body::kChunkFailed:
      return fmt::format("chunk failed {}:{} {}", static_cast<std::int64_t>(message.chunk_failed().file()),
                         message.chunk_failed().chunk(), message.chunk_failed().text());
    case Body::kFileFailed:
      return fmt::format("file failed {} restart {} {}", message.file_failed().file(), message.file_failed().restart(),
                         message.file_failed().text());
    case Body::kFileEnd:
      return fmt::format("file end {} state {} {}", message.file_end().file(),
                         static_cast<int>(message.file_end().state()), message.file_end().text());
    case Body::kStop:
      return "stop: " + message.stop().text();
    case Body::kRefusal:
      return "refusal: " + message.refusal().text();
    default:
      return fmt::format("message {} of {} bytes", static_cast<int>(message.body_case()), message.ByteSizeLong());
  }
}

/// Roles become roles of a simulated process.
class SimRunner final : public engine::Runner {
 public:
  SimRunner(SimWorld& world, Process& process) : world_(world), process_(process) {}
  Role& start(const Factory& factory) override {
    engine::Kit kit{world_.make_poller(), world_.make_disk(process_), world_.make_disk(process_)};
    Poller& poller = *kit.poller;
    disk::Disk& disk = *kit.disk;
    std::shared_ptr<Role> role = factory(std::move(kit));
    process_.roles.push_back(role);
    world_.seat(*role, poller, disk);
    return *role;
  }

 private:
  SimWorld& world_;
  Process& process_;
};

}  // namespace

namespace {

std::string key_of(std::uint64_t seed) {
  SimRandom random(seed);
  return security::Identity::make(random).to_pem();
}

const std::string& sender_key() {
  static const std::string key = key_of(1);
  return key;
}

const std::string& receiver_key() {
  static const std::string key = key_of(2);
  return key;
}

}  // namespace

struct TransferWorld::Life {
  Life(SimWorld& world, Process& process, Witness* witness, WitnessedWire::Damage damage, EditedWire::Edit edit)
      : runner(world, process),
        edited(world.wire(process), std::move(edit)),
        wire(edited.edits() ? static_cast<wire::Wire&>(edited) : world.wire(process), witness, std::move(damage)),
        engine_world{world.clock(), world.random(), wire, runner},
        roles(process.roles) {}
  SimRunner runner;
  EditedWire edited;
  WitnessedWire wire;
  engine::World engine_world;
  std::vector<std::shared_ptr<Role>>& roles;
  engine::SessionCore* core = nullptr;
  [[nodiscard]] bool finished() const {
    return std::all_of(roles.begin(), roles.end(), [](const auto& role) { return role->finished(); });
  }
};

namespace {

WorldPlan usual_plan(std::uint64_t seed, TreeShape shape) {
  SimRandom random(seed ^ 0x706c616e);
  WorldPlan plan;
  plan.paths.push_back({.delay = 5 * millisecond, .bytes_per_s = 100'000'000});
  plan.paths.push_back({.delay = static_cast<Time>(1 + random.below(40)) * millisecond,
                        .bytes_per_s = 10'000'000 + random.below(100'000'000)});
  plan.workers = static_cast<unsigned>(1 + random.below(3));
  plan.streams = static_cast<unsigned>(1 + random.below(3));
  if (random.one_in(2)) plan.target_alignment = 512;
  if (random.one_in(2)) plan.source_alignment = 4096;
  plan.tree = shape;
  return plan;
}

}  // namespace

TransferWorld::TransferWorld(std::uint64_t seed, TreeShape shape) : TransferWorld(seed, usual_plan(seed, shape)) {}

TransferWorld::TransferWorld(std::uint64_t seed, WorldPlan plan)
    : world(seed),
      laws(world.file_system("receiver"), target, world.clock()),
      random_(seed ^ 0x7472616e73666572),
      plan_(std::move(plan)) {
  for (std::size_t path = 0; path < plan_.paths.size(); ++path)
    world.network().set_path(sender_host(path), receiver_host(path), plan_.paths[path]);
  auto& files = target_file_system();
  files.put_dir(target);
  if (!plan_.publish_as.empty()) laws.expect_whole(plan_.publish_as);
  files.put_file("outside", std::as_bytes(std::span("nobody writes here")));
  files.direct_alignment = plan_.target_alignment;
  files.syncs_all = plan_.syncfs;
  files.watcher = &laws;
  source_file_system().direct_alignment = plan_.source_alignment;
  witness.promises = &laws;
  world.fabric().landing = [this](std::span<std::byte> bytes) { see_landing(bytes); };
  make_tree();
  if (std::getenv("LONGHAUL_SEED") != nullptr) tell_story();
}

/// A frame that comes by rail, in clear.
void TransferWorld::see_landing(std::span<std::byte> bytes) {
  if (damage) damage(bytes);
  if (bytes.size() < protocol::frame_header_bytes) return;
  const auto header = protocol::decode_frame_header(
      std::span<const std::byte, protocol::frame_header_bytes>(bytes.data(), protocol::frame_header_bytes));
  if (!header || protocol::frame_header_bytes + header->wire_bytes > bytes.size()) return;
  witness.frame(*header, bytes.subspan(protocol::frame_header_bytes, header->wire_bytes));
}

/// A replayed seed says what happens.
void TransferWorld::tell_story() {
  log::set_level(log::Level::verbose);
  const auto at = [this] { return static_cast<double>(world.clock().now()) / second; };
  witness.listener = [at](const char* who, const protocol::Message& message) {
    std::cout << fmt::format("{:10.4f} {:8} {}\n", at(), who, words_of(message));
  };
  world.trace().listener = [](Time when, std::string_view what, std::uint64_t, std::uint64_t) {
    static constexpr std::array loud{"kill", "cut", "silence", "heal", "crash", "dial", "accept"};
    if (std::ranges::find(loud, what) != loud.end())
      std::cout << fmt::format("{:10.4f} {}\n", static_cast<double>(when) / second, what);
  };
}

void TransferWorld::make_tree() {
  auto& files = source_file_system();
  const TreeShape& shape = plan_.tree;
  files.put_dir(source);
  files.put_dir(std::string(source) + "/empty directory");
  const auto place = [this] { return "d" + std::to_string(draw(5)) + (draw(3) == 0 ? "/deeper/" : "/"); };
  for (unsigned i = 0; i < shape.small_files; ++i) {
    // With files in chunks of their own beside them, small ones are small.
    const bool middle = shape.chunk_files == 0 && shape.small_files < 100 && draw(6) == 0;
    add_source_file(place() + "file " + std::to_string(i), draw(8) == 0 ? 0 : middle ? draw(1'500'000) : draw(9000));
  }
  for (unsigned i = 0; i < shape.chunk_files; ++i)
    add_source_file(place() + "chunk " + std::to_string(i), protocol::bundled_bytes_max + 1 + draw(200'000));
  files.put_symlink(std::string(source) + "/link", "d0/nowhere");
  if (shape.large_chunks > 0)
    add_source_file("large", (shape.large_chunks - 1) * protocol::node_bytes + 1 + draw(protocol::node_bytes));
}

void TransferWorld::add_source_file(const std::string& path, std::uint64_t bytes) {
  std::vector<std::byte> content(bytes);
  random_.fill(content);
  if (plan_.tree.shrinks && draw(4) != 0)
    for (std::byte& byte : content) byte &= std::byte{0x0f};
  if (plan_.tree.holes) cut_holes(content);
  tree_bytes_ += bytes;
  const std::uint32_t mode = draw(2) == 0 ? 0640 : 0755;
  const auto mtime_ns = static_cast<std::int64_t>(1 + draw(1'600'000'000'000'000'000));
  source_file_system().put_file(std::string(source) + "/" + path, content, mode, mtime_ns);
  if (plan_.tree.holes) source_file_system().dig(std::string(source) + "/" + path);
  laws.source_version(at_target(path), content, mode, mtime_ns);
  source_files_.push_back(path);
}

/// Three zeroed stretches of whole pages, each up to half of it; one of them may be its end.
void TransferWorld::cut_holes(std::span<std::byte> content) {
  constexpr std::size_t page_bytes = SimFileSystem::page_bytes;
  const std::size_t pages = (content.size() + page_bytes - 1) / page_bytes;
  if (pages < 4) return;
  for (int hole = 0; hole < 3; ++hole) {
    const std::size_t begin = draw(pages) * page_bytes;
    const std::size_t bytes = std::min((1 + draw(pages / 2)) * page_bytes, content.size() - begin);
    std::ranges::fill(content.subspan(begin, bytes), std::byte{});
  }
}

void TransferWorld::rewrite_source(const std::string& path, bool secretly) {
  const std::string name = std::string(source) + "/" + path;
  const auto before = source_file_system().look(name);
  std::vector<std::byte> content(before->bytes.size());
  random_.fill(content);
  const std::int64_t mtime_ns =
      secretly ? before->cached.mtime_ns : before->cached.mtime_ns + 1 + static_cast<std::int64_t>(draw(second));
  laws.source_version(at_target(path), content, before->cached.mode, mtime_ns);
  source_file_system().rewrite(name, content, mtime_ns);
}

void TransferWorld::touch_source(const std::string& path) {
  const std::string name = std::string(source) + "/" + path;
  const auto before = source_file_system().look(name);
  const std::vector<std::byte> content = before->bytes;
  const std::int64_t mtime_ns = before->cached.mtime_ns + 1 + static_cast<std::int64_t>(draw(second));
  laws.source_version(at_target(path), content, before->cached.mode, mtime_ns);
  source_file_system().rewrite(name, content, mtime_ns);
}

void TransferWorld::remove_source_file(const std::string& path) {
  const auto disk = source_file_system().make_disk("somebody");
  EXPECT_TRUE(disk->unlink(*disk->open_root(source), path));
  const auto slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : "/" + path.substr(0, slash);
  EXPECT_TRUE(disk->sync_dir(*disk->open_root(source + parent)));
  laws.promise_void(at_target(path));            // a tree that is published as a whole will not have it
  std::erase(source_files_, std::string(path));  // which may be one of them
}

std::shared_ptr<TransferWorld::Life> TransferWorld::start(const std::string& name, const std::string& host,
                                                          engine::SessionSetup setup) {
  Process& process = world.start(name, host, name);
  const bool is_receiver = name == "receiver";
  auto life =
      std::make_shared<Life>(world, process, is_receiver ? &witness : nullptr,
                             is_receiver ? damage : WitnessedWire::Damage{}, is_receiver ? EditedWire::Edit{} : edit);
  process.shared.push_back(life);
  setup.options.cipher = Cipher::none;
  setup.options.identity_pem = is_receiver ? receiver_key() : sender_key();  // as of one user, whatever crashes
  setup.make_guard = make_clear_guard;
  if (witness.listener || on_event) {
    setup.observer = [this, name](const Event& event) {
      if (on_event) on_event(name, event);
      if (witness.listener && event.type != Event::Type::progress)
        std::cout << "           " << name << " notes: " << event.text << '\n';
    };
  }
  setup.fabric = &world.fabric();
  setup.options.workers = plan_.workers;
  setup.options.chunk_bytes = plan_.chunk_bytes;
  setup.touch_memory = false;
  setup.reports_cpu = false;  // the only figure that is not simulated
  life->core = static_cast<engine::SessionCore*>(&life->runner.start([&](engine::Kit kit) {
    return std::make_unique<engine::SessionCore>(std::move(kit), life->engine_world, std::move(setup));
  }));
  if (!life->core->problem()) return life;
  start_problem = name + ": " + life->core->problem()->text;
  life.reset();
  world.kill(name);
  return nullptr;
}

bool TransferWorld::start_receiver() {
  received.reset();
  count_loss();
  engine::SessionSetup setup;
  for (std::size_t path = 0; path < plan_.paths.size(); ++path) setup.options.listen.push_back(receiver_host(path));
  setup.options.syncfs = plan_.syncfs;
  setup.options.require = plan_.receiver.require;
  setup.options.forbid = plan_.receiver.forbid;
  if (plan_.receiver_options) plan_.receiver_options(setup.options);
  if (!plan_.by_rail.empty()) setup.options.fabrics = {"sim"};
  setup.keep_in = target;
  const auto life = start("receiver", receiver_host(0), std::move(setup));
  receiver_ = life;
  if (life == nullptr) return false;
  if (ticket_.empty()) ticket_ = life->core->ticket();
  life->core->receive(directory_sink(target, false, true), [this, core = life->core](Outcome outcome) {
    received = std::move(outcome);
    core->shut_down();  // as the command does
  });
  return true;
}

bool TransferWorld::start_sender() {
  sent.reset();
  count_loss();
  engine::SessionSetup setup;
  setup.ticket = *security::parse_ticket(ticket_);
  for (std::size_t path = 0; path < plan_.paths.size(); ++path) {
    PathOptions options;
    options.name = std::string(1, static_cast<char>('a' + path));
    options.local = sender_host(path);
    options.remote = receiver_host(path);
    if (path < plan_.tags.size()) options.tags = plan_.tags[path];
    if (path < plan_.by_rail.size() && plan_.by_rail[path]) options.transport = "fabric:sim";
    setup.options.paths.push_back(std::move(options));
  }
  setup.options.streams = plan_.streams;
  setup.options.require = plan_.sender.require;
  setup.options.forbid = plan_.sender.forbid;
  if (!plan_.publish_as.empty()) setup.options.publish = Publish::tree;
  if (plan_.sender_options) plan_.sender_options(setup.options);
  const auto life = start("sender", sender_host(0), std::move(setup));
  sender_ = life;
  if (life == nullptr) return false;
  life->core->send(engine::make_tree_feed({std::string(source) + "/"}, {}, {}, plan_.publish_as),
                   [this, core = life->core](Outcome outcome) {
                     sent = std::move(outcome);
                     core->shut_down();
                   });
  return true;
}

// --- running ----------------------------------------------------------------------------------------------------

/// What had come and was not durable comes again. So may what is on its way while an end goes: a buffer a stream.
std::uint64_t TransferWorld::resent_bytes_max() const {
  return lost_bytes_ + plan_.paths.size() * plan_.streams * std::uint64_t{1024 * 1024};
}

void TransferWorld::count_loss() {
  lost_bytes_ = witness.content_bytes() - std::min(witness.content_bytes(), witness.durable_bytes());
}

bool TransferWorld::ended_well() const {
  if (!sent || sent->ok) return false;
  const bool told = sent->error.code == Code::refused && sent->error.text.find("has been used") != std::string::npos;
  return told || (received && received->ok);
}

/// A receiver whose sender has ended and that has not seen it (it was just dead) waits for one that will not come.
bool TransferWorld::done() const {
  constexpr Time patience = 400 * second;
  return sent && (received || world.clock().now() - sent_at_ > patience);
}

void TransferWorld::run_to_bytes(std::uint64_t content_bytes) {
  const Time limit = world.clock().now() + 600 * second;
  EXPECT_NE(world.run_until([&] { return done() || witness.content_bytes() >= content_bytes; }, limit),
            RunEnd::deadline);
  const std::uint64_t events = world.trace().events() + draw(3000);
  world.run_until([&] { return done() || world.trace().events() >= events; }, limit);
}

void TransferWorld::run_for(Time time) {
  world.run_until([] { return false; }, world.clock().now() + time);
}

bool TransferWorld::run_to_end(Time limit) {
  if (world.run_until([&] { return done(); }, world.clock().now() + limit) != RunEnd::reached) return false;
  for (const auto& life : {receiver_.lock(), sender_.lock()})
    if (life) life->core->shut_down();  // also one that still waits for a peer that has long been done
  return world.run_until(
             [&] {
               const auto receiver = receiver_.lock();
               const auto sender = sender_.lock();
               return (!receiver || receiver->finished()) && (!sender || sender->finished());
             },
             world.clock().now() + 60 * second) == RunEnd::reached;
}

void TransferWorld::adjust(const std::string& process, const Adjustment& adjustment) {
  const auto life = process == "sender" ? sender_.lock() : receiver_.lock();
  if (life)
    life->core->adjust(adjustment, [this](Result<std::string> answer) { answers.push_back(std::move(answer)); });
}

void TransferWorld::crash_receiver() {
  world.crash("receiver");
  check_laws();
}

void TransferWorld::crash_sender() {
  world.crash("sender");
  check_laws();
}

void TransferWorld::kill_receiver() {
  world.kill("receiver");
  check_laws();
}

void TransferWorld::kill_sender() {
  world.kill("sender");
  check_laws();
}

// --- checking ---------------------------------------------------------------------------------------------------

void TransferWorld::check_laws() {
  laws.look_at_everything();
  for (const auto& complaint : laws.complaints()) ADD_FAILURE() << complaint;
  if (!laws.sender_lies())
    for (const auto& complaint : witness.complaints()) ADD_FAILURE() << complaint;
}

namespace {

/// What differs between an entry of the source and one of the target, in words. A file that matches in size and mtime
/// is done, as in rsync's quick check: its content is what the laws say.
std::string difference(const Inode& want, const Inode& landed) {
  if (want.type != landed.type) return "has another type";
  if (want.link_target != landed.link_target) return "points elsewhere";
  if (want.cached.mtime_ns != landed.cached.mtime_ns) return "has another mtime";
  if (want.type != disk::FileType::symlink && want.cached.mode != landed.cached.mode) return "has another mode";
  return want.bytes.size() == landed.bytes.size() ? "" : "has another size";
}

}  // namespace

void TransferWorld::check_complete() {
  ASSERT_TRUE(sent);
  EXPECT_TRUE(sent->ok || ended_well()) << sent->error.text;
  // One that was dead when the sender ended waited until we closed it.
  EXPECT_TRUE(!received || ended_well() || received->ok || received->error.code == Code::interrupted)
      << received->error.text;
  laws.look_at_manifest();
  check_laws();
  std::map<std::string, const Inode*> landed;
  target_file_system().for_each(landing(), ".longhaul",
                                [&](const std::string& path, const Inode& inode) { landed[path] = &inode; });
  std::size_t wanted = 0;
  source_file_system().for_each(source, {}, [&](const std::string& path, const Inode& inode) {
    ++wanted;
    const auto at = landed.find(path);
    const std::string words = at == landed.end() ? "is not there" : difference(inode, *at->second);
    if (!words.empty()) ADD_FAILURE() << path << " " << words;
  });
  EXPECT_EQ(landed.size(), wanted);
  for (const char* place : {"landing", "tree", "trash"})
    target_file_system().for_each(std::string(target) + "/.longhaul/" + place, {},
                                  [place](const std::string& path, const Inode&) {
                                    ADD_FAILURE() << path << " is left in the landing zone's " << place;
                                  });
}

}  // namespace longhaul::sim
