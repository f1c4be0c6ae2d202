#include "longhaul/name_list.h"

#include <fmt/format.h>

#include <vector>

#include "base/bytes.h"
#include "disk/name_parser.h"
#include "disk/pipe.h"
#include "disk/sorted_names.h"
#include "disk/system_disk.h"

namespace longhaul {
namespace {

constexpr std::size_t piece_bytes = std::size_t{256} * 1024;
constexpr int look_every_ms = 100;

bool stopped(const std::atomic<int>* stop) {
  return stop != nullptr && stop->load() != 0;
}

std::unexpected<Error> interrupted() {
  return fail(Code::interrupted, "interrupted");
}

}  // namespace

Result<NameList> NameList::read(int fd, const std::string& called, const NameListOptions& options,
                                const std::atomic<int>* stop) {
  const auto disk = disk::make_system_disk(nullptr);
  disk::SortedNames::Maker maker(*disk, system_random(), options.memory_bytes, options.spool_directory);
  disk::NameParser parser(options.nul_ended, options.nul_ended && options.ends_at_empty_name, called,
                          [&](const disk::ListedName& name) { return maker.add(name); });
  std::vector<std::byte> piece(piece_bytes);
  for (bool ended = false; !ended && !parser.ended();) {
    if (stopped(stop)) return interrupted();
    const auto got = disk::read_pipe(fd, piece, look_every_ms, &ended);
    if (!got)
      return fail(Code::usage, error_of_errno(got.error().system_errno, fmt::format("{} cannot be read", called)).text,
                  got.error().system_errno);
    if (Result<> fed = parser.feed(text_of(ConstBytes(piece).first(*got))); !fed) return std::unexpected(fed.error());
  }
  if (Result<> finished = parser.finish(); !finished) return std::unexpected(finished.error());
  auto names = maker.finish();
  if (!names) return std::unexpected(names.error());
  return NameList(*std::move(names));
}

Result<> NameList::write(int fd, const std::atomic<int>* stop) const {
  const auto disk = disk::make_system_disk(nullptr);
  disk::SortedNames::Pass pass(names_);
  std::string out;
  const auto put = [&]() -> Result<> {
    for (ConstBytes left = bytes_of(out); !left.empty();) {
      if (stopped(stop)) return interrupted();
      const auto taken = disk::write_pipe_some(fd, left, look_every_ms);
      if (!taken) return std::unexpected(taken.error());
      left = left.subspan(*taken);
    }
    out.clear();
    return {};
  };
  disk::ListedName name;
  for (;;) {
    const auto more = pass.next(*disk, name);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    out += name.path.empty() ? "." : name.path;
    if (name.content) out += '/';
    out += '\0';
    if (out.size() < piece_bytes) continue;
    if (Result<> written = put(); !written) return written;
  }
  out += '\0';
  return put();
}

}  // namespace longhaul
