#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "base/clock.h"
#include "base/repeats.h"

namespace longhaul::log {
namespace {

/// Leaked on purpose: threads may still warn while the program ends.
spdlog::logger& logger() {
  static spdlog::logger& instance = [] -> spdlog::logger& {
    auto* made = new spdlog::logger("longhaul", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%H:%M:%S longhaul: %l: %v");
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::info);
    return *made;
  }();
  return instance;
}

Repeats& repeats() {
  static auto& instance = *new Repeats;
  return instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::quiet:
      return spdlog::level::off;
    case Level::normal:
      return spdlog::level::warn;
    case Level::verbose:
      return spdlog::level::info;
  }
  return spdlog::level::warn;
}

}  // namespace

void set_level(Level level) {
  logger().set_level(spdlog_level(level));
}

void warn(std::string_view text) {
  if (!logger().should_log(spdlog::level::warn)) return;
  const auto held_back = repeats().show(text, system_clock().now());
  if (!held_back) return;
  if (*held_back == 0) {
    logger().warn(text);
  } else {
    logger().warn("{} (and {} times more since)", text, *held_back);
  }
}

void info(std::string_view text) {
  logger().info(text);
}

}  // namespace longhaul::log
