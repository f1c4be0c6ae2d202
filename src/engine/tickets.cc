#include "engine/tickets.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/bytes.h"
#include "disk/blocking.h"

namespace longhaul::engine {
namespace {

constexpr std::string_view file_name = "tickets";
constexpr std::string_view file_head = "LHTICKT1\n";
constexpr std::size_t file_bytes_max = 1024 * 1024;

template <std::size_t N>
bool read_hex(const std::string& hex, std::array<std::byte, N>& out) {
  const auto raw = from_hex(hex);
  if (!raw || raw->size() != N) return false;
  std::copy(bytes_of(*raw).begin(), bytes_of(*raw).end(), out.begin());
  return true;
}

std::optional<TicketRecord> parse_line(const std::string& line) {
  std::istringstream in(line);
  std::string id;
  std::string key;
  std::string sender;
  std::string state;
  TicketRecord record;
  if (!(in >> id >> key >> sender >> record.expires_s >> record.port >> state)) return std::nullopt;
  if (!read_hex(id, record.id) || !read_hex(key, record.key)) return std::nullopt;
  if (sender != "-" && !read_hex(sender, record.first_sender.emplace())) return std::nullopt;
  record.used = state == "used";
  return record;
}

std::unexpected<Error> fail_kept(std::string_view what, Error error) {
  error.text = "cannot " + std::string(what) + " the tickets kept in the target's landing zone: " + error.text;
  return std::unexpected(std::move(error));
}

}  // namespace

Result<TicketBook> TicketBook::open(disk::Disk& disk, disk::DirPtr directory, std::int64_t now_s) {
  TicketBook book;
  book.directory_ = std::move(directory);
  const auto file = disk.open_file(book.directory_, file_name, disk::Open::read, false);
  if (!file && file.error().code == Code::not_found) return book;
  if (!file) return fail_kept("read", file.error());
  std::string text(file_bytes_max, '\0');
  const auto got = disk::read_now(disk, **file, 0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail_kept("read", got.error());
  text.resize(*got);
  if (!text.starts_with(file_head)) return book;
  std::istringstream lines(text.substr(file_head.size()));
  for (std::string line; std::getline(lines, line);) {
    auto record = parse_line(line);
    if (record && record->expires_s > now_s) book.records_.push_back(*record);
  }
  return book;
}

TicketRecord* TicketBook::find(ConstBytes id) {
  const auto at =
      std::find_if(records_.begin(), records_.end(), [&](const auto& each) { return std::ranges::equal(each.id, id); });
  return at == records_.end() ? nullptr : &*at;
}

std::uint16_t TicketBook::port() const {
  return records_.empty() ? std::uint16_t{0} : records_.back().port;
}

void TicketBook::add(const TicketRecord& record) {
  records_.push_back(record);
}

Result<> TicketBook::save(disk::Disk& disk) {
  if (!directory_) return {};
  std::string text(file_head);
  for (const auto& record : records_) {
    text += to_hex(record.id) + ' ' + to_hex(record.key) + ' ' +
            (record.first_sender ? to_hex(*record.first_sender) : "-") + ' ' + std::to_string(record.expires_s) + ' ' +
            std::to_string(record.port) + (record.used ? " used\n" : " open\n");
  }
  const std::string scratch = std::string(file_name) + ".new";
  (void)disk.unlink(directory_, scratch);
  auto file = disk.open_file(directory_, scratch, disk::Open::create, false);
  if (!file) return fail_kept("write", file.error());
  Result<> done = disk::write_now(disk, **file, 0, bytes_of(text));
  if (done) done = disk::sync_now(disk, **file, true);
  if (done) done = disk.rename(directory_, scratch, directory_, file_name);
  if (done) done = disk.sync_dir(directory_);
  if (!done) return fail_kept("write", done.error());
  return {};
}

}  // namespace longhaul::engine
