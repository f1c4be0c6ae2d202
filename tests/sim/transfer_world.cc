#include "transfer_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

#include "base/digest.h"
#include "base/log.h"
#include "engine/feed.h"
#include "longhaul/sink.h"
#include "protocol/bounds.h"
#include "security/ticket.h"

namespace longhaul::sim {
namespace {

const std::string sender_a = "10.0.0.1";
const std::string sender_b = "10.1.0.1";
const std::string receiver_a = "10.0.0.2";
const std::string receiver_b = "10.1.0.2";

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
    std::shared_ptr<Role> role = factory(std::move(kit));
    process_.roles.push_back(role);
    return *role;
  }

 private:
  SimWorld& world_;
  Process& process_;
};

}  // namespace

struct TransferWorld::Life {
  Life(SimWorld& world, Process& process, Witness* witness, WitnessedWire::Damage damage)
      : runner(world, process),
        wire(world.wire(process), witness, std::move(damage)),
        engine_world{world.clock(), world.random(), wire, runner},
        roles(process.roles) {}
  SimRunner runner;
  WitnessedWire wire;
  engine::World engine_world;
  std::vector<std::shared_ptr<Role>>& roles;
  engine::SessionCore* core = nullptr;
  [[nodiscard]] bool finished() const {
    return std::all_of(roles.begin(), roles.end(), [](const auto& role) { return role->finished(); });
  }
};

// Draws in a fixed order: what a member initializer would do in another.
// NOLINTBEGIN(cppcoreguidelines-prefer-member-initializer)
TransferWorld::TransferWorld(std::uint64_t seed, TreeShape shape) : world(seed), random_(seed ^ 0x7472616e73666572) {
  world.network().set_path(sender_a, receiver_a, {.delay = 5 * millisecond, .bytes_per_s = 100'000'000});
  world.network().set_path(
      sender_b, receiver_b,
      {.delay = static_cast<Time>(1 + draw(40)) * millisecond, .bytes_per_s = 10'000'000 + draw(100'000'000)});
  workers_ = static_cast<unsigned>(1 + draw(3));
  streams_ = static_cast<unsigned>(1 + draw(3));
  auto& files = world.file_system("receiver");
  files.put_dir(target);
  files.put_file("outside", std::as_bytes(std::span("nobody writes here")));
  if (draw(2) == 0) files.direct_alignment = 512;
  if (draw(2) == 0) world.file_system("sender").direct_alignment = 4096;
  make_tree(shape);
  if (std::getenv("LONGHAUL_SEED") != nullptr) tell_story();
}
// NOLINTEND(cppcoreguidelines-prefer-member-initializer)

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

void TransferWorld::make_tree(const TreeShape& shape) {
  auto& files = world.file_system("sender");
  const auto add = [&](const std::string& path, std::uint64_t bytes) {
    std::vector<std::byte> content(bytes);
    random_.fill(content);
    tree_bytes_ += bytes;
    files.put_file(std::string(source) + "/" + path, content, draw(2) == 0 ? 0640 : 0755,
                   static_cast<std::int64_t>(1 + draw(1'600'000'000'000'000'000)));
  };
  files.put_dir(source);
  files.put_dir(std::string(source) + "/empty directory");
  for (unsigned i = 0; i < shape.small_files; ++i) {
    const std::string dir = "d" + std::to_string(draw(5)) + (draw(3) == 0 ? "/deeper/" : "/");
    const std::uint64_t bytes = draw(8) == 0 ? 0 : draw(6) == 0 ? draw(1'500'000) : draw(9000);
    add(dir + "file " + std::to_string(i), bytes);
  }
  files.put_symlink(std::string(source) + "/link", "d0/nowhere");
  if (shape.large_chunks > 0)
    add("large", (shape.large_chunks - 1) * protocol::node_bytes + 1 + draw(protocol::node_bytes));
}

std::shared_ptr<TransferWorld::Life> TransferWorld::start(const std::string& name, const std::string& host,
                                                          engine::SessionSetup setup) {
  Process& process = world.start(name, host, name);
  const bool is_receiver = name == "receiver";
  auto life = std::make_shared<Life>(world, process, is_receiver ? &witness : nullptr,
                                     is_receiver ? damage : WitnessedWire::Damage{});
  process.shared.push_back(life);
  setup.options.cipher = Cipher::none;
  if (witness.listener) {
    setup.observer = [name](const Event& event) {
      if (event.type != Event::Type::progress) std::cout << "           " << name << " notes: " << event.text << '\n';
    };
  }
  setup.options.workers = workers_;
  setup.reports_cpu = false;  // the only figure that is not simulated
  life->core = static_cast<engine::SessionCore*>(&life->runner.start([&](engine::Kit kit) {
    return std::make_unique<engine::SessionCore>(std::move(kit), life->engine_world, std::move(setup));
  }));
  if (life->core->problem()) ADD_FAILURE() << name << ": " << life->core->problem()->text;
  return life;
}

void TransferWorld::start_receiver() {
  late_ = sent && sent->ok;
  received.reset();
  count_loss();
  engine::SessionSetup setup;
  setup.options.listen = {receiver_a, receiver_b};
  setup.keep_in = target;
  const auto life = start("receiver", receiver_a, std::move(setup));
  receiver_ = life;
  if (ticket_.empty()) ticket_ = life->core->ticket();
  life->core->receive(directory_sink(target), [this](Outcome outcome) { received = std::move(outcome); });
}

void TransferWorld::start_sender() {
  sent.reset();
  count_loss();
  engine::SessionSetup setup;
  setup.ticket = *security::parse_ticket(ticket_);
  PathOptions a;
  a.name = "a";
  a.local = sender_a;
  a.remote = receiver_a;
  PathOptions b;
  b.name = "b";
  b.local = sender_b;
  b.remote = receiver_b;
  setup.options.paths = {a, b};
  setup.options.streams = streams_;
  const auto life = start("sender", sender_a, std::move(setup));
  sender_ = life;
  life->core->send(engine::make_tree_feed({std::string(source) + "/"}),
                   [this](Outcome outcome) { sent = std::move(outcome); });
}

// --- running ----------------------------------------------------------------------------------------------------

/// What had come and was not durable comes again. So may what is on its way while an end goes: a buffer a stream.
std::uint64_t TransferWorld::resent_bytes_max() const {
  return lost_bytes_ + 2 * streams_ * std::uint64_t{1024 * 1024};
}

void TransferWorld::count_loss() {
  lost_bytes_ = witness.content_bytes() - std::min(witness.content_bytes(), witness.durable_bytes());
}

/// A sender that comes back after the receiver was done hears that its ticket has been used: that is an end, too.
bool TransferWorld::ended_well() const {
  return sent && sent->error.code == Code::refused && sent->error.text.find("has been used") != std::string::npos;
}

bool TransferWorld::done() const {
  return sent && (received || late_ || ended_well());
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
    if (life) life->core->shut_down();
  return world.run_until(
             [&] {
               const auto receiver = receiver_.lock();
               const auto sender = sender_.lock();
               return (!receiver || receiver->finished()) && (!sender || sender->finished());
             },
             world.clock().now() + 60 * second) == RunEnd::reached;
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
  const Tree want = world.file_system("sender").tree(source);
  const Tree landed = world.file_system("receiver").tree(target, ".longhaul");
  for (const auto& [path, entry] : landed) {
    const auto at = want.find(path);
    if (at == want.end()) {
      ADD_FAILURE() << path << " was never in the source";
      continue;
    }
    if (entry.type != disk::FileType::file) continue;  // directories get modes and times at the end
    EXPECT_TRUE(entry.bytes == at->second.bytes) << path << " stands at its final name and is wrong";
    EXPECT_EQ(entry.mode, at->second.mode) << path;
    EXPECT_EQ(entry.mtime_ns, at->second.mtime_ns) << path;
  }
  check_promises(landed);
  for (const auto& complaint : witness.complaints()) ADD_FAILURE() << complaint;
  EXPECT_EQ(world.file_system("receiver").tree("", target).size(), 1U) << "something was written beside the target";
}

void TransferWorld::check_promises(const Tree& landed) {
  const Tree want = world.file_system("sender").tree(source);
  for (const auto& [path, extents] : witness.promised()) {
    if (landed.contains(path)) continue;
    const std::string part =
        std::string(target) + "/.longhaul/landing/" + digest_of(std::as_bytes(std::span(path))).hex() + ".part";
    const auto content = world.file_system("receiver").content(part);
    const auto& right = want.at(path).bytes;
    for (const auto& [offset, bytes] : extents) {
      const bool there = content && content->size() >= offset + bytes &&
                         std::equal(right.begin() + static_cast<std::ptrdiff_t>(offset),
                                    right.begin() + static_cast<std::ptrdiff_t>(offset + bytes),
                                    content->begin() + static_cast<std::ptrdiff_t>(offset));
      EXPECT_TRUE(there) << path << " at " << offset << " was answered durable and is not there";
    }
  }
}

void TransferWorld::check_complete() {
  ASSERT_TRUE(sent);
  EXPECT_TRUE(sent->ok || ended_well()) << sent->error.text;
  EXPECT_TRUE(!received || late_ || ended_well() || received->ok) << received->error.text;
  check_laws();
  const Tree want = world.file_system("sender").tree(source);
  const Tree landed = world.file_system("receiver").tree(target, ".longhaul");
  EXPECT_EQ(landed.size(), want.size());
  for (const auto& [path, entry] : want) EXPECT_TRUE(landed.contains(path) && landed.at(path) == entry) << path;
  EXPECT_TRUE(world.file_system("receiver").tree(std::string(target) + "/.longhaul/landing").empty());
}

}  // namespace longhaul::sim
