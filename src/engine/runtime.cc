#include "engine/runtime.h"

#include <pthread.h>

#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.h"
#include "disk/system_disk.h"
#include "ring/ring.h"

namespace longhaul::engine {
namespace {

Kit make_kit() {
  Kit kit;
  if (auto ring = ring::Ring::make(system_clock())) {
    ring::Ring* raw = ring->get();
    kit.poller = std::move(*ring);
    kit.disk = disk::make_system_disk(raw);
  } else {
    log::warn("io_uring is not available (" + ring.error().text +
              "); going on with plain system calls, which is slower");
    kit.poller = ring::make_poll_poller(system_clock());
    kit.disk = disk::make_system_disk(nullptr);
  }
  kit.plain_disk = disk::make_system_disk(nullptr);
  return kit;
}

class ThreadRunner final : public Runner {
 public:
  ~ThreadRunner() override {
    // Roles may start roles until they are finished, so the list is looked at again after each join.
    for (std::size_t i = 0;; ++i) {
      std::thread thread;
      {
        const std::lock_guard lock(mutex_);
        if (i >= threads_.size()) break;
        thread = std::move(threads_[i]);
      }
      thread.join();
    }
  }

  Role& start(const Factory& factory) override {
    std::promise<Role*> made;
    auto future = made.get_future();
    std::thread thread([this, &factory, &made] {
      Kit kit = make_kit();
      Poller& poller = *kit.poller;
      Role* role = nullptr;
      {
        auto owned = factory(std::move(kit));
        role = owned.get();
        const std::lock_guard lock(mutex_);
        roles_.push_back(std::move(owned));
      }
      pthread_setname_np(pthread_self(), role->name().substr(0, 15).c_str());
      made.set_value(role);
      run(*role, poller);
    });
    Role* role = future.get();
    const std::lock_guard lock(mutex_);
    threads_.push_back(std::move(thread));
    return *role;
  }

 private:
  static void run(Role& role, Poller& poller) {
    while (!role.finished()) {
      const Time now = system_clock().now();
      role.in_step_since.store(now, std::memory_order_relaxed);
      const Time next = step(role, now);
      role.in_step_since.store(0, std::memory_order_relaxed);
      if (next > now && !role.finished()) poller.wait(now, next);
    }
    role.stages.end(system_clock().now());
  }
  static Time step(Role& role, Time now) {
    const StageClock::Step counted(role.stages, system_clock(), now);
    return role.step(now);
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Role>> roles_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Runner> make_thread_runner() {
  return std::make_unique<ThreadRunner>();
}

}  // namespace longhaul::engine
