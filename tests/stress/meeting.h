// Two sessions that meet over loopback in this process, and the calls that run side by side on them.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "longhaul/identity.h"
#include "longhaul/transfer.h"

namespace longhaul::stress {

/// Of one user, who may come back.
inline Options two_workers() {
  static const std::string key = new_identity();
  Options options;
  options.identity_pem = key;
  options.workers = 2;
  options.streams = 2;
  options.retry_for_s = 60;
  return options;
}

/// The address in a ticket: "longhaul://ADDR:PORT,.../ID?x=...#SECRET".
inline std::vector<std::string> addresses_of(const std::string& ticket) {
  std::string list = ticket.substr(ticket.find("://") + 3);
  list.resize(list.find('/'));
  std::vector<std::string> addresses;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    addresses.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return addresses;
}

/// Counts what an observer hears. Its members are plain: the session promises to call from one thread.
struct Heard {
  unsigned events = 0;
  unsigned progress = 0;
  unsigned paths_down = 0;
  std::vector<std::string> notes;

  [[nodiscard]] Observer observer() {
    return [this](const Event& event) {
      ++events;
      if (event.type == Event::Type::progress) ++progress;
      if (event.type == Event::Type::path_down) ++paths_down;
      if (event.type == Event::Type::note) notes.push_back(event.text);
    };
  }
};

struct Meeting {
  // Before the sessions: they are told of what happens to the last.
  Heard heard_here;
  Heard heard_there;
  std::unique_ptr<Session> here;   ///< listens
  std::unique_ptr<Session> there;  ///< dials

  void listen(const Options& options, StopFlag* stop = nullptr, const std::string& keep_in = {}) {
    auto made = Session::listen(options, heard_here.observer(), stop, keep_in);
    ASSERT_TRUE(made) << made.error().text;
    here = std::move(*made);
  }
  void dial(const std::string& ticket, const Options& options, StopFlag* stop = nullptr) {
    auto made = Session::dial(ticket, options, heard_there.observer(), stop);
    ASSERT_TRUE(made) << made.error().text;
    there = std::move(*made);
  }
};

using Call = std::future<Outcome>;

inline Call begin_send(Session& session, std::unique_ptr<Source> source) {
  return std::async(std::launch::async,
                    [&session, source = std::move(source)]() mutable { return session.send(std::move(source)); });
}

inline Call begin_receive(Session& session, const std::string& directory) {
  return std::async(std::launch::async, [&session, directory] { return session.receive(directory_sink(directory)); });
}

inline std::unique_ptr<Source> tree(const std::string& path) {
  auto source = tree_source({path});
  EXPECT_TRUE(source) << source.error().text;
  return std::move(*source);
}

/// All of them must say that everything arrived.
inline void expect_complete(std::vector<Call>& calls) {
  for (auto& call : calls) {
    const Outcome outcome = call.get();
    EXPECT_TRUE(outcome.ok) << outcome.error.text;
    EXPECT_EQ(outcome.report.failed_files, 0U);
    for (const auto& failed : outcome.report.errors) ADD_FAILURE() << failed.path << ": " << failed.error.text;
  }
  calls.clear();
}

}  // namespace longhaul::stress
