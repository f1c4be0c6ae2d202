#include "journal/scratch.h"

#include <utility>

#include "disk/blocking.h"
#include "journal/journal_file.h"

namespace longhaul::journal {

Result<> Scratch::append(ConstBytes bytes) {
  if (!file_ && !name_.empty())
    if (auto removed = unlink_if_there(disk_, directory_, name_); !removed) return removed;
  if (!file_) {
    auto made =
        name_.empty() ? disk_.open_unnamed(directory_) : disk_.open_file(directory_, name_, disk::Open::create, false);
    if (!made) return std::unexpected(std::move(made.error()));
    file_ = std::move(*made);
  }
  if (auto written = disk::write_now(disk_, *file_, end_, bytes); !written) return written;
  end_ += bytes.size();
  return {};
}

Result<> Scratch::read(std::uint64_t offset, Bytes into) {
  if (into.empty()) return {};
  if (!file_ || offset + into.size() > end_) return fail(Code::internal, "more is read than was put aside");
  const auto got = disk::read_now(disk_, *file_, offset, into);
  if (!got) return std::unexpected(got.error());
  if (*got == into.size()) return {};
  return fail(Code::corrupt, "what was put aside in the landing zone has become shorter; run again");
}

Result<> Scratch::remove() {
  end_ = 0;
  if (!std::exchange(file_, nullptr) || name_.empty()) return {};
  return unlink_if_there(disk_, directory_, name_);
}

}  // namespace longhaul::journal
