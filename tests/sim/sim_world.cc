#include "sim_world.h"

#include <algorithm>

#include "base/check.h"
#include "sim_disk_view.h"

namespace longhaul::sim {
namespace {
constexpr std::uint64_t round_cost_max = 2000;  // ns: virtual time passes even for a role that always wants to go on
}

SimWorld::SimWorld(std::uint64_t seed)
    : seed_(seed),
      seeds_(seed),
      random_(seeds_.fork()),
      order_(seeds_.fork()),
      network_(clock_, trace_, seeds_.draw()),
      fabric_(clock_, trace_, network_, seed ^ 0x7261696c) {}

SimWorld::~SimWorld() {
  while (!processes_.empty()) kill(processes_.back()->name);
}

SimFileSystem& SimWorld::file_system(const std::string& name) {
  auto& files = file_systems_[name];
  if (files == nullptr) files = std::make_unique<SimFileSystem>(clock_, trace_, seeds_.draw());
  return *files;
}

Process& SimWorld::start(const std::string& name, const std::string& host, const std::string& file_system_name) {
  const bool runs = std::ranges::any_of(processes_, [&](const auto& process) { return process->name == name; });
  LH_CHECK(!runs, "a process of this name runs already");
  auto process = std::make_unique<Process>();
  process->name = name;
  process->host = host;
  process->files = &file_system(file_system_name);
  processes_.push_back(std::move(process));
  return *processes_.back();
}

std::unique_ptr<Poller> SimWorld::make_poller() {
  return std::make_unique<SimPoller>(trace_, [this](int fd) { return fabric_.readable(fd); });
}

void SimWorld::kill(const std::string& name, Death death) {
  const auto at = std::ranges::find_if(processes_, [&](const auto& process) { return process->name == name; });
  if (at == processes_.end()) return;
  network_.kill(name, death);
  Process& process = **at;
  for (const auto& role : process.roles) seats_.erase(role.get());
  while (!process.roles.empty()) process.roles.pop_back();
  while (!process.shared.empty()) process.shared.pop_back();
  process.files->release_locks(name);
  processes_.erase(at);
}

void SimWorld::crash(const std::string& file_system_name) {
  SimFileSystem& files = file_system(file_system_name);
  std::vector<std::string> names;
  for (const auto& process : processes_) {
    if (process->files == &files) names.push_back(process->name);
  }
  for (const auto& name : names) kill(name, Death::silence);
  files.crash();
}

void SimWorld::seat(const Role& role, Poller& poller, disk::Disk& disk) {
  seats_[&role] = {dynamic_cast<SimPoller*>(&poller), dynamic_cast<SimDisk*>(&disk), 0};
}

bool SimWorld::wakes(Seat& seat) {
  const bool due = seat.wanted <= clock_.now();
  const bool called = seat.poller->take_wake_up();
  return seat.disk->take_wake_up() || called || due;
}

Time SimWorld::step(Role& role) {
  const StageClock::Step counted(role.stages, clock_, clock_.now());
  return role.step(clock_.now());
}

/// One round; returns when the earliest role wants to be stepped again.
Time SimWorld::step_all() {
  fabric_.progress();
  std::vector<std::shared_ptr<Role>> roles;
  for (const auto& process : processes_) roles.insert(roles.end(), process->roles.begin(), process->roles.end());
  for (std::size_t left = roles.size(); left > 1; --left) std::swap(roles[left - 1], roles[order_.below(left)]);
  Time wanted = time_never;
  for (const auto& role : roles) {
    if (role->finished()) continue;
    const auto seat = seats_.find(role.get());
    if (seat == seats_.end()) {
      wanted = std::min(wanted, step(*role));
      continue;
    }
    if (wakes(seat->second)) seat->second.wanted = step(*role);
    wanted = std::min(wanted, seat->second.wanted);
  }
  return wanted;
}

Time SimWorld::next_due(Time after) const {
  Time due = std::min(network_.next_due(after), fabric_.next_due(after));
  for (const auto& [name, files] : file_systems_) due = std::min(due, files->next_due(after));
  return due;
}

RunEnd SimWorld::run_until(const std::function<bool()>& reached, Time virtual_deadline) {
  for (;;) {
    if (reached()) return RunEnd::reached;
    if (clock_.now() >= virtual_deadline) return RunEnd::deadline;
    if (between_rounds) between_rounds();
    const std::uint64_t events = trace_.events();
    const Time before = clock_.now();
    const Time wanted = step_all();
    const bool moved = trace_.events() != events;
    clock_.advance(static_cast<Time>(1 + order_.below(round_cost_max)));
    // Somebody did something that another may be waiting for, or wants to go on at once: another round now.
    if (moved || wanted <= before) continue;
    const Time next = std::min(wanted, next_due(before));
    if (next == time_never) return reached() ? RunEnd::reached : RunEnd::stuck;
    clock_.advance_to(std::min(next, virtual_deadline));
  }
}

std::string SimWorld::seed_words() const {
  return "seed " + std::to_string(seed_);
}

}  // namespace longhaul::sim
