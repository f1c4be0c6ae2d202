// The tickets that a listener answers to. A receiver keeps them in its landing zone (owner only), so that one that was
// killed and is started again answers to the ticket that its sender holds. What is kept proves, so it is as good as the
// secret.
//
// File: "LHTICKT1\n", then a line per ticket: ID KEY IDENTITY|- EXPIRES_S PORT open|used
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "security/ticket.h"

namespace longhaul::engine {

struct TicketRecord {
  security::TicketId id{};
  security::TicketKey key{};
  std::optional<std::array<std::byte, 32>> first_sender;
  std::int64_t expires_s = 0;
  std::uint16_t port = 0;
  bool used = false;
};

class TicketBook {
 public:
  /// Kept in memory only.
  TicketBook() = default;
  /// Reads `directory`/tickets when it is there; expired ones are left out. A damaged file counts as empty, one that
  /// cannot be read does not: it may hold tickets that senders have.
  static Result<TicketBook> open(disk::Disk& disk, disk::DirPtr directory, std::int64_t now_s);

  [[nodiscard]] TicketRecord* find(ConstBytes id);
  /// Port of the newest ticket, used or not: who holds an old one should find somebody to tell him so. 0: none.
  [[nodiscard]] std::uint16_t port() const;
  void add(const TicketRecord& record);
  /// After any change of a record. Errors: the landing zone cannot be written.
  Result<> save(disk::Disk& disk);

 private:
  disk::DirPtr directory_;
  std::vector<TicketRecord> records_;
};

}  // namespace longhaul::engine
