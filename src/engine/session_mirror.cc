// Dry runs and mirrors: what is asked for, and who is told of what becomes of it.
#include <utility>

#include "engine/session_core.h"

namespace longhaul::engine {

void SessionCore::would(std::uint32_t, Would would, const std::string& path) {
  note(Event::Type::would, std::string(name_of(would)), path);
}

void SessionCore::tell_deleted(const std::string& path, bool dry_run) {
  if (dry_run) return would(0, Would::remove, path);
  note(Event::Type::deleted, {}, path);
}

/// Only who asked hears of it.
void SessionCore::take_deleted(const protocol::Deleted& deleted) {
  const bool asked = setup_.options.mirror && (setup_.options.mirror.tell || setup_.options.dry_run);
  if (!asked || !outgoing_.contains(deleted.transfer())) return;
  for (const std::string& path : deleted.path()) tell_deleted(path, setup_.options.dry_run);
}

/// What the sender of `open` asks for, and who hears here of what becomes of it.
void SessionCore::ask_for_mirror(const protocol::OpenTransfer& open, Storage::Setup& setup) {
  const bool hears = setup_.options.dry_run && open.dry_run();
  if (hears)
    setup.would = [this](Would its, std::string path) {
      post([its, path = std::move(path)](SessionCore& self) { self.would(0, its, path); });
    };
  if (!open.has_mirror()) return;
  const protocol::Mirror& asked = open.mirror();
  setup.mirror =
      MirrorAsk{.rules = {asked.rule().begin(), asked.rule().end()},
                .ignore_errors = asked.ignore_errors(),
                .at_most = asked.has_delete_max() ? asked.delete_max() : Mirror::no_limit,
                .tell = asked.tell(),
                .name = asked.has_name() ? OtherName(asked.name().at_target(), asked.name().at_source()) : OtherName()};
  if (setup_.options.mirror.tell && !open.dry_run())
    setup.deleted = [this](std::string path) {
      post([path = std::move(path)](SessionCore& self) { self.tell_deleted(path, false); });
    };
}

}  // namespace longhaul::engine
