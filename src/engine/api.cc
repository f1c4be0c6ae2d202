// The public sessions: a control role on its own thread behind blocking calls.
#include <chrono>
#include <csignal>
#include <future>
#include <mutex>
#include <utility>

#include "base/usage.h"
#include "disk/system_disk.h"
#include "engine/landing_ops.h"
#include "engine/runtime.h"
#include "engine/session_core.h"
#include "longhaul/transfer.h"
#include "wire/tcp.h"

namespace longhaul {
namespace {

using engine::SessionCore;
using engine::SessionSetup;

/// Waiting for an outcome ends when `stop` says "at once", even if the control role were stuck.
class ThreadedSession final : public Session {
 public:
  static Result<std::unique_ptr<ThreadedSession>> make(SessionSetup setup) {
    std::signal(SIGPIPE, SIG_IGN);
    disk::raise_file_limit();
    auto session = std::unique_ptr<ThreadedSession>(new ThreadedSession());
    session->core_ = static_cast<SessionCore*>(&session->runner_->start([&](engine::Kit kit) {
      return std::make_unique<SessionCore>(std::move(kit), session->world_, std::move(setup));
    }));
    if (session->core_->problem()) return std::unexpected(*session->core_->problem());
    return session;
  }

  ~ThreadedSession() override {
    if (core_ != nullptr) core_->shut_down();
    runner_.reset();
  }

  std::string ticket() const override { return core_->ticket(); }
  std::string id() const override { return core_->id(); }

  Result<std::string> adjust(const Adjustment& adjustment) override {
    Adjustment plain = adjustment;
    if (auto found = look_up(plain.path); !found) return std::unexpected(found.error());
    auto done = std::make_shared<std::promise<Result<std::string>>>();
    auto answer = done->get_future();
    core_->adjust(std::move(plain), [done](Result<std::string> it) { done->set_value(std::move(it)); });
    if (answer.wait_for(answer_time) == std::future_status::ready) return answer.get();
    return fail(Code::stalled, "the session did not answer for " + std::to_string(answer_time.count()) +
                                   " s: a disk or the machine holds it up; look again what has become of it");
  }

  Result<Report> snapshot() override {
    auto done = std::make_shared<std::promise<Report>>();
    auto answer = done->get_future();
    core_->snapshot([done](Report it) { done->set_value(std::move(it)); });
    if (answer.wait_for(answer_time) == std::future_status::ready) return answer.get();
    return fail(Code::stalled, "the session did not answer for " + std::to_string(answer_time.count()) +
                                   " s: a disk or the machine holds it up");
  }

  Outcome send(std::unique_ptr<Source> source) override {
    std::promise<Outcome> done;
    auto outcome = done.get_future();
    core_->send(engine::make_feed(std::move(source)), [&](Outcome it) { done.set_value(std::move(it)); });
    return outcome.get();
  }

  Outcome receive(std::unique_ptr<Sink> sink) override { return begin_receive(std::move(sink)).get(); }

  std::future<Outcome> begin_receive(std::unique_ptr<Sink> sink) {
    auto done = std::make_shared<std::promise<Outcome>>();
    auto outcome = done->get_future();
    core_->receive(std::shared_ptr<Sink>(std::move(sink)), [done](Outcome it) { done->set_value(std::move(it)); });
    return outcome;
  }

 private:
  static constexpr std::chrono::seconds answer_time{10};  // longer than a peer has

  ThreadedSession() = default;
  /// The control thread must not wait for a name server.
  static Result<> look_up(PathOptions& path) {
    if (path.remote.empty()) return {};
    const auto remote = wire::parse_host_port(path.remote);
    if (!remote) return std::unexpected(remote.error());
    const auto numeric = wire::resolve(remote->host);
    if (!numeric) return std::unexpected(numeric.error());
    path.remote = wire::join_host_port({*numeric, remote->port});
    return {};
  }
  std::unique_ptr<wire::Wire> wire_ = wire::make_tcp_wire();
  std::unique_ptr<engine::Runner> runner_ = engine::make_thread_runner();
  engine::World world_{system_clock(), system_random(), *wire_, *runner_};
  SessionCore* core_ = nullptr;
};

Result<std::unique_ptr<Session>> as_session(Result<std::unique_ptr<ThreadedSession>> made) {
  if (!made) return std::unexpected(made.error());
  return std::unique_ptr<Session>(std::move(*made));
}

SessionSetup setup_of(const Options& options, Observer observer, StopFlag* stop) {
  SessionSetup setup;
  setup.options = options;
  setup.observer = std::move(observer);
  setup.stop = stop;
  return setup;
}

Result<security::Ticket> usable_ticket(const std::string& text) {
  auto ticket = security::parse_ticket(text);
  if (ticket && !ticket->by_key && ticket->expires_s <= system_clock().wall_ns() / 1'000'000'000)
    return fail(Code::refused, "this ticket has expired; ask the other side for a new one");
  return ticket;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::listen(const Options& options, Observer observer, StopFlag* stop,
                                                 const std::string& keep_in) {
  auto setup = setup_of(options, std::move(observer), stop);
  setup.keep_in = keep_in;
  return as_session(ThreadedSession::make(std::move(setup)));
}

Result<std::unique_ptr<Session>> Session::dial(const std::string& ticket, const Options& options, Observer observer,
                                               StopFlag* stop) {
  auto parsed = usable_ticket(ticket);
  if (!parsed) return std::unexpected(parsed.error());
  auto setup = setup_of(options, std::move(observer), stop);
  setup.ticket = std::move(*parsed);
  return as_session(ThreadedSession::make(std::move(setup)));
}

Result<> make_target(const std::string& path) {
  const auto opened = engine::open_target(*disk::make_system_disk(nullptr), path);
  if (!opened) return std::unexpected(opened.error());
  return {};
}

Outcome copy(std::unique_ptr<Source> source, std::unique_ptr<Sink> sink, const Options& options, Observer observer,
             StopFlag* stop, const LiveObserver& live) {
  const auto failed = [](Error error) {
    Outcome outcome;
    outcome.error = std::move(error);
    return outcome;
  };
  Options both = options;
  both.cipher = Cipher::none;  // nothing leaves this process
  both.listen = {"127.0.0.1"};
  both.paths.clear();
  both.fabrics.clear();
  both.require.clear();  // policy is about ways between machines
  both.forbid.clear();
  both.workers = both.workers != 0 ? both.workers : 1;
  auto listening = setup_of(both, nullptr, stop);
  listening.options.cap_bits_per_s = 0;  // once is enough, at the side that can be changed while it runs
  listening.options.schedule.clear();
  listening.reports_cpu = false;  // one process: the sender's figure holds both ends
  auto receiver = ThreadedSession::make(std::move(listening));
  if (!receiver) return failed(receiver.error());
  auto dialling = setup_of(both, std::move(observer), stop);
  auto ticket = usable_ticket((*receiver)->ticket());
  if (!ticket) return failed(ticket.error());
  dialling.ticket = std::move(*ticket);
  auto sender = ThreadedSession::make(std::move(dialling));
  if (!sender) return failed(sender.error());
  auto received = (*receiver)->begin_receive(std::move(sink));
  if (live) live(sender->get());
  Outcome outcome = (*sender)->send(std::move(source));
  if (live) live(nullptr);
  sender->reset();
  if (!outcome.ok) receiver->reset();  // it need not wait for a sender that has given up
  Outcome landed = received.get();
  if (outcome.ok && !landed.ok) return landed;
  return outcome;
}

}  // namespace longhaul
