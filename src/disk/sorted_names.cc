#include "disk/sorted_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "disk/blocking.h"

namespace longhaul::disk {
namespace {

constexpr std::size_t write_bytes = std::size_t{1} << 20U;
constexpr std::size_t all_buffers_bytes = std::size_t{16} << 20U;
constexpr std::size_t buffer_bytes_min = 4096;
constexpr std::size_t buffer_bytes_max = std::size_t{256} * 1024;

/// '/' stands before every other byte: what is beneath a directory comes right behind it.
int rank(char c) {
  return c == '/' ? 0 : 1 + static_cast<unsigned char>(c);
}

std::string_view path_of(std::string_view record) {
  if (record.ends_with('/')) record.remove_suffix(1);
  return record;
}

}  // namespace

bool stands_before(std::string_view a, std::string_view b) {
  const std::string_view path_a = path_of(a);
  const std::string_view path_b = path_of(b);
  const auto [at_a, at_b] = std::ranges::mismatch(path_a, path_b);
  if (at_a != path_a.end() && at_b != path_b.end()) return rank(*at_a) < rank(*at_b);
  if (path_a.size() != path_b.size()) return path_a.size() < path_b.size();
  return a.size() > b.size();  // with content first
}

// --- making -------------------------------------------------------------------------------------------------------

SortedNames::Maker::Maker(Disk& disk, Random& random, std::size_t memory_bytes, std::string spool_directory)
    : disk_(disk),
      random_(random),
      // Places are of 32 bits.
      memory_bytes_(std::min<std::size_t>(memory_bytes, std::numeric_limits<std::uint32_t>::max() / 2)),
      spool_directory_(std::move(spool_directory)) {}

Result<> SortedNames::Maker::add(const ListedName& name) {
  const std::size_t bytes = name.path.size() + (name.content ? 1 : 0);
  SortedNames& names = *names_;
  if (names.text_.size() + bytes + (names.order_.size() + 1) * sizeof(Place) > memory_bytes_ && !names.order_.empty()) {
    if (Result<> spilled = spill(); !spilled) return spilled;
  }
  names.order_.push_back({static_cast<std::uint32_t>(names.text_.size()), static_cast<std::uint32_t>(bytes)});
  names.text_ += name.path;
  if (name.content) names.text_ += '/';
  return {};
}

Result<std::shared_ptr<const SortedNames>> SortedNames::Maker::finish() {
  SortedNames& names = *names_;
  if (names.file_) {
    if (Result<> spilled = names.order_.empty() ? Result<>() : spill(); !spilled)
      return std::unexpected(spilled.error());
    names.text_ = {};
    names.order_ = {};
  }
  const std::string_view text = names.text_;
  std::ranges::sort(names.order_, stands_before,
                    [&](const Place& place) { return text.substr(place.begin, place.bytes); });
  return names_;
}

std::unexpected<Error> SortedNames::Maker::cannot_keep(const Error& why) const {
  return fail(Code::io, fmt::format("a list of names that is too long for memory cannot be kept in {} (set TMPDIR to "
                                    "another place): {}",
                                    printable(spool_directory_), why.text));
}

/// It is gone as soon as nobody has it open.
Result<> SortedNames::Maker::open_file() {
  auto directory = disk_.open_root(spool_directory_);
  if (!directory) return cannot_keep(directory.error());
  std::array<std::byte, 16> unique{};
  random_.fill(unique);
  const std::string name = ".longhaul-names-" + to_hex(unique);
  auto file = disk_.open_file(*directory, name, Open::create, false);
  if (!file) return cannot_keep(file.error());
  names_->file_ = std::move(*file);
  if (Result<> gone = disk_.unlink(*directory, name); !gone) return cannot_keep(gone.error());
  return {};
}

Result<> SortedNames::Maker::spill() {
  SortedNames& names = *names_;
  if (!names.file_) {
    if (Result<> opened = open_file(); !opened) return opened;
  }
  const std::string_view text = names.text_;
  const auto record = [&](const Place& place) { return text.substr(place.begin, place.bytes); };
  std::ranges::sort(names.order_, stands_before, record);
  const std::uint64_t begin = names.runs_.empty() ? 0 : names.runs_.back().end;
  Run run{begin, begin};
  std::string out;
  const auto put = [&]() -> Result<> {
    if (Result<> written = write_now(disk_, *names.file_, run.end, bytes_of(out)); !written)
      return cannot_keep(written.error());
    run.end += out.size();
    out.clear();
    return {};
  };
  for (const Place& place : names.order_) {
    out += record(place);
    out += '\0';
    if (out.size() < write_bytes) continue;
    if (Result<> written = put(); !written) return written;
  }
  if (Result<> written = put(); !written) return written;
  names.runs_.push_back(run);
  names.text_.clear();
  names.order_.clear();
  return {};
}

// --- reading ------------------------------------------------------------------------------------------------------

SortedNames::Pass::Pass(std::shared_ptr<const SortedNames> names) : names_(std::move(names)) {}

/// To the next record of this run; false at its end.
Result<bool> SortedNames::Pass::advance(Disk& disk, Reader& reader) {
  if (reader.bytes > 0) reader.begin += reader.bytes + 1;
  for (;;) {
    const std::size_t end = reader.buffer.find('\0', reader.begin);
    reader.bytes = end - reader.begin;
    if (end != std::string::npos) return true;
    reader.buffer.erase(0, reader.begin);
    reader.begin = reader.bytes = 0;
    const std::size_t had = reader.buffer.size();
    const std::size_t more = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_bytes_, reader.end - reader.at));
    if (more == 0) return false;
    reader.buffer.resize(had + more);
    const auto got =
        read_now(disk, *names_->file_, reader.at, std::as_writable_bytes(std::span(reader.buffer).subspan(had)));
    if (!got || *got != more)
      return fail(Code::io, "the list of names cannot be read again: " +
                                (got ? "its file has become shorter" : got.error().text));
    reader.at += more;
  }
}

Result<bool> SortedNames::Pass::next_record(Disk& disk, std::string& record) {
  if (!names_->file_) {
    if (next_ == names_->order_.size()) return false;
    const Place& place = names_->order_[next_++];
    record = std::string_view(names_->text_).substr(place.begin, place.bytes);
    return true;
  }
  const auto later = [](const Reader* a, const Reader* b) { return stands_before(b->record(), a->record()); };
  if (!std::exchange(begun_, true)) {
    buffer_bytes_ = std::clamp(all_buffers_bytes / names_->runs_.size(), buffer_bytes_min, buffer_bytes_max);
    for (const Run& run : names_->runs_) readers_.push_back({.at = run.begin, .end = run.end, .buffer = {}});
    for (Reader& reader : readers_) {
      const auto more = advance(disk, reader);
      if (!more) return more;
      if (*more) heap_.push_back(&reader);
    }
    std::ranges::make_heap(heap_, later);
  }
  if (heap_.empty()) return false;
  std::ranges::pop_heap(heap_, later);
  Reader& first = *heap_.back();
  record = first.record();
  const auto more = advance(disk, first);
  if (!more) return more;
  if (*more)
    std::ranges::push_heap(heap_, later);
  else
    heap_.pop_back();
  return true;
}

Result<bool> SortedNames::Pass::next(Disk& disk, ListedName& name) {
  std::string record;
  for (;;) {
    const auto more = next_record(disk, record);
    if (!more || !*more) return more;
    const std::string_view path = path_of(record);
    if (std::exchange(any_, true) && path == last_path_) continue;
    name.content = path.size() < record.size();
    name.path = path;
    last_path_ = path;
    return true;
  }
}

}  // namespace longhaul::disk
