#include "samples.h"

namespace longhaul::protocol::test {
namespace {

std::string repeated(std::size_t count, unsigned char first) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(first + i));
  return bytes;
}

void fill(Hello& hello) {
  hello.set_version_min(1);
  hello.set_version_max(2);
  hello.set_features_required(0x8000000000000001);
  hello.set_features_supported(0x8000000000000003);
  hello.set_ticket(repeated(16, 0x10));
  hello.set_kind(Hello::KIND_STREAM);
  hello.set_session(repeated(16, 0xa0));
  hello.set_stream(70000);
  hello.set_path("fiber-a");
  hello.set_dialler_sends(true);
  hello.set_cipher(Hello::CHACHA20_POLY1305);
  hello.set_ticket_proof(repeated(32, 0x40));
  hello.set_last_sequence(300);
  hello.set_software("longhaul 0.1.0");
  hello.set_path_index(3);
  hello.set_path_local("10.0.1.2");
  hello.set_path_remote("10.0.2.2:4711");
  PathTerms& terms = *hello.mutable_terms();
  terms.set_cap_bits_per_s(40'000'000'000);
  terms.set_weight(0.5);
  terms.set_cost_per_gb(0.02);
  terms.add_tags("us");
  terms.add_tags("fiber");
  terms.set_dscp(10);
  terms.set_congestion("bbr");
  terms.set_transport("fabric:verbs");
  terms.set_slots(60);
}

void fill(OpenTransfer& open) {
  open.set_transfer(1);
  open.set_chunk_bytes(536870912);
  open.set_frame_bytes(1048576);
  open.set_rereadable(true);
  open.set_id(repeated(16, 0x20));
  open.set_update(true);
  open.set_existing(true);
  open.set_ignore_existing(true);
  for (const char* rule : {"+ *.keep", "- /tmp/"}) open.mutable_mirror()->add_rule(rule);
  open.mutable_mirror()->set_ignore_errors(true);
  open.mutable_mirror()->set_delete_max(0);
  open.mutable_mirror()->set_tell(true);
  open.mutable_mirror()->mutable_name()->set_at_target("ckpt");
  open.mutable_mirror()->mutable_name()->set_at_source("data");
  open.set_dry_run(true);
  open.set_delta(OpenTransfer::SHA256);
  open.set_checksum(OpenTransfer::XXH3);
}

void fill(AcceptTransfer& accept) {
  accept.set_transfer(1);
  accept.set_frame_bytes(1048576);
  accept.set_window_chunks(64);
  accept.set_durability("fsync");
  accept.set_holes(true);
}

void fill(Announce& announce) {
  announce.set_transfer(1);
  announce.set_first(4294967296);
  Entry& file = *announce.add_entries();
  file.set_path("dir/any \xff bytes");
  file.set_size(1ULL << 47U);
  file.set_size_unknown(true);
  file.set_mode(0644);
  file.set_mtime_ns(-1);
  file.set_ctime_ns(1700000000123456789);
  file.set_inode(0xfedcba9876543210);
  file.set_device(0x801);
  file.set_sparse(true);
  Entry& directory = *announce.add_entries();
  directory.set_type(Entry::DIRECTORY);
  directory.set_path("dir");
  directory.set_mode(02775);
  directory.set_content(true);
  Entry& symlink = *announce.add_entries();
  symlink.set_type(Entry::SYMLINK);
  symlink.set_path("link");
  symlink.set_link_target("dir/\x80");
  Entry& mention = *announce.add_entries();
  mention.set_type(Entry::MENTION);
  mention.set_path("left out");
}

void fill(Verdicts& verdicts) {
  verdicts.set_transfer(1);
  verdicts.set_first(7);
  Verdict& send = *verdicts.add_verdicts();
  send.set_chunk_bytes(8388608);
  for (const std::uint64_t number : {0U, 12U, 300U, 1U}) send.add_durable(number);
  verdicts.add_verdicts()->set_action(Verdict::SKIP);
  Verdict& left_alone = *verdicts.add_verdicts();
  left_alone.set_action(Verdict::SKIP);
  left_alone.set_left_alone(true);
  Verdict& refuse = *verdicts.add_verdicts();
  refuse.set_action(Verdict::REFUSE);
  refuse.set_code(5);
  refuse.set_text("the target is full");
  verdicts.add_verdicts()->set_action(Verdict::DONE);
  verdicts.add_verdicts()->set_action(Verdict::COMPARE);
  Verdict& would = *verdicts.add_verdicts();
  would.set_action(Verdict::SKIP);
  would.set_would(Verdict::SET_PROPERTIES);
}

void fill(Compared& compared) {
  compared.set_transfer(1);
  for (const std::uint64_t file : {9U, 300U}) compared.add_file(file);
  compared.set_keys(repeated(64, 0x50));
  compared.add_verdicts()->set_older(true);
  compared.add_verdicts()->set_action(Verdict::SKIP);
}

void fill(FileEnd& end) {
  end.set_transfer(1);
  end.set_file(9);
  end.set_state(FileEnd::FAILED);
  end.set_size(1234567);
  end.set_code(7);
  end.set_text("it changed while it was read");
  end.set_path("model.bin");
  end.set_restarts(2);
}

void fill(Chunks& chunks) {
  chunks.set_transfer(1);
  for (const std::uint64_t file : {std::uint64_t{9}, ~std::uint64_t{0}}) chunks.add_file(file);
  for (const std::uint64_t chunk : {0U, 77777U}) chunks.add_chunk(chunk);
  for (const std::uint32_t attempt : {0U, 65537U}) chunks.add_attempt(attempt);
}

void fill(ChunkFailed& failed) {
  failed.set_transfer(1);
  failed.set_file(9);
  failed.set_chunk(3);
  failed.set_code(8);
  failed.set_text("leaf 2 does not match");
}

void fill(FileFailed& failed) {
  failed.set_transfer(1);
  failed.set_file(9);
  failed.set_code(1);
  failed.set_text("input/output error");
  failed.set_restart(true);
}

void fill(TransferEnd& end) {
  end.set_transfer(1);
  end.set_ok(true);
  end.set_code(13);
  end.set_text("in words");
  end.set_files(1000000);
  end.set_bytes(400000000000000);
  end.set_cpu_seconds(12.5);
  end.set_skipped_files(17);
  end.set_durability("fsync");
  end.set_deleted_files(5);
  end.set_deleted_directories(2);
  end.set_deletions_over(300);
  end.set_mounts_kept(1);
  end.set_deletions_held(true);
}

void fill(Goodbye& goodbye) {
  goodbye.set_transfer(1);
  goodbye.set_cpu_seconds(0.25);
  goodbye.set_failed_files(2);
  goodbye.set_resent_bytes(1048576);
}

void fill(Stop& stop) {
  stop.set_transfer(1);
  stop.set_code(13);
  stop.set_text("interrupted");
}

void fill(Adjust& adjust) {
  adjust.set_request(300);
  adjust.set_kind(Adjust::ADD_PATH);
  adjust.set_name("fiber-b");
  adjust.set_cap_bits_per_s(10000000000);
  NewPath& path = *adjust.mutable_path();
  path.set_local("10.0.1.2");
  path.set_device("eth1");
  path.set_remote("10.0.2.2:4711");
  path.set_streams(8);
  path.set_weight(1.5);
  path.set_cost_per_gb(0.02);
  path.add_tags("us");
  path.add_tags("fiber");
  path.set_dscp_and_1(11);
  path.set_congestion("bbr");
  path.set_transport("tcp");
  path.set_slots(16);
}

void fill(Adjusted& adjusted) {
  adjusted.set_request(300);
  adjusted.set_ok(true);
  adjusted.set_code(11);
  adjusted.set_text("path fiber-b is added");
}

void fill(Standing& standing) {
  standing.set_paused(true);
  standing.set_cap_bits_per_s(2000000000);
  PathStanding& drained = *standing.add_paths();
  drained.set_name("fiber-a");
  drained.set_use(PathStanding::DRAINED);
  drained.set_cap_bits_per_s(1000000000);
  standing.add_paths()->set_name("fiber-b");
  SendingRule& rule = *standing.mutable_rule();
  rule.set_cap_bits_per_s(3000000000);
  rule.set_holds(true);
  rule.set_words("3 Gb/s until 18:00");
}

void fill(Stages& stages) {
  stages.set_transfer(1);
  for (const std::uint64_t us : {0ULL, 300ULL, 1ULL << 50U}) stages.add_workers_us(us);
  stages.add_files_us(7);
  for (const std::uint64_t us : {1U, 2U}) stages.add_control_us(us);
  Limit& limit = *stages.add_limits();
  limit.set_what("path geo (cap 50 Mb/s)");
  limit.set_share(0.75);
}

void fill(Refusal& refusal) {
  refusal.set_code(11);
  refusal.set_text("the ticket has expired");
  refusal.set_path(true);
}

void fill(EndOfEntries& end) {
  end.set_transfer(1);
  end.set_entries(123456789012);
}

}  // namespace

// One arm for each kind of message: long, and nothing in it to take apart.
// NOLINTNEXTLINE(readability-function-size)
std::optional<Sample> sample_of(int kind) {
  Sample sample;
  Message& m = sample.message;
  // No default: the compiler finds a kind that has no sample yet.
  switch (static_cast<Message::BodyCase>(kind)) {
    case Message::BODY_NOT_SET:
      return std::nullopt;
    case Message::kHello:
      sample.name = "hello";
      fill(*m.mutable_hello());
      return sample;
    case Message::kRefusal:
      sample.name = "refusal";
      fill(*m.mutable_refusal());
      return sample;
    case Message::kControlAck:
      sample.name = "control_ack";
      m.mutable_control_ack()->set_sequence(1000);
      return sample;
    case Message::kPing:
      sample.name = "ping";
      m.mutable_ping()->set_token(0x0102030405060708);
      return sample;
    case Message::kPong:
      sample.name = "pong";
      m.mutable_pong()->set_token(0x0102030405060708);
      return sample;
    case Message::kBusy:
      sample.name = "busy";
      m.mutable_busy()->set_text("worker 1 in write, 4 s");
      return sample;
    case Message::kOpenTransfer:
      sample.name = "open_transfer";
      fill(*m.mutable_open_transfer());
      return sample;
    case Message::kAcceptTransfer:
      sample.name = "accept_transfer";
      fill(*m.mutable_accept_transfer());
      return sample;
    case Message::kAnnounce:
      sample.name = "announce";
      fill(*m.mutable_announce());
      return sample;
    case Message::kVerdicts:
      sample.name = "verdicts";
      fill(*m.mutable_verdicts());
      return sample;
    case Message::kFileEnd:
      sample.name = "file_end";
      fill(*m.mutable_file_end());
      return sample;
    case Message::kEndOfEntries:
      sample.name = "end_of_entries";
      fill(*m.mutable_end_of_entries());
      return sample;
    case Message::kReceived:
      sample.name = "received";
      fill(*m.mutable_received());
      return sample;
    case Message::kDurable:
      sample.name = "durable";
      fill(*m.mutable_durable());
      return sample;
    case Message::kChunkFailed:
      sample.name = "chunk_failed";
      fill(*m.mutable_chunk_failed());
      return sample;
    case Message::kFileFailed:
      sample.name = "file_failed";
      fill(*m.mutable_file_failed());
      return sample;
    case Message::kTransferEnd:
      sample.name = "transfer_end";
      fill(*m.mutable_transfer_end());
      return sample;
    case Message::kGoodbye:
      sample.name = "goodbye";
      fill(*m.mutable_goodbye());
      return sample;
    case Message::kStop:
      sample.name = "stop";
      fill(*m.mutable_stop());
      return sample;
    case Message::kAdjust:
      sample.name = "adjust";
      fill(*m.mutable_adjust());
      return sample;
    case Message::kAdjusted:
      sample.name = "adjusted";
      fill(*m.mutable_adjusted());
      return sample;
    case Message::kStanding:
      sample.name = "standing";
      fill(*m.mutable_standing());
      return sample;
    case Message::kDeleted:
      sample.name = "deleted";
      m.mutable_deleted()->set_transfer(1);
      m.mutable_deleted()->add_path("dir/any \xff bytes");
      m.mutable_deleted()->add_path("dir/");
      return sample;
    case Message::kOldChunk:
      sample.name = "old_chunk";
      m.mutable_old_chunk()->set_transfer(1);
      m.mutable_old_chunk()->set_file(300);
      m.mutable_old_chunk()->set_chunk(2);
      m.mutable_old_chunk()->set_keys(repeated(64, 0x30));
      m.mutable_old_chunk()->set_last(true);
      return sample;
    case Message::kCompared:
      sample.name = "compared";
      fill(*m.mutable_compared());
      return sample;
    case Message::kStages:
      sample.name = "stages";
      fill(*m.mutable_stages());
      return sample;
    case Message::kStreamGone:
      sample.name = "stream_gone";
      m.mutable_stream_gone()->set_stream(7);
      return sample;
    case Message::kRailOpen:
      sample.name = "rail_open";
      m.mutable_rail_open()->set_provider("tcp;ofi_rxm");
      m.mutable_rail_open()->set_address(repeated(16, 0x50));
      m.mutable_rail_open()->set_key(0x8000000000000001);
      m.mutable_rail_open()->set_base(0x7f0000000f60);
      m.mutable_rail_open()->set_slot_bytes(1056768);
      m.mutable_rail_open()->set_slots(8);
      return sample;
    case Message::kRailGrant:
      sample.name = "rail_grant";
      m.mutable_rail_grant()->add_grant(0x00005003);
      m.mutable_rail_grant()->add_grant(0xfffff007);
      m.mutable_rail_grant()->set_arrived(300);
      return sample;
    case Message::kRailWritten:
      sample.name = "rail_written";
      m.mutable_rail_written()->add_grant(0x00005003);
      return sample;
    case Message::kAskAddresses:
      sample.name = "ask_addresses";
      m.mutable_ask_addresses();
      return sample;
    case Message::kAddresses:
      sample.name = "addresses";
      m.mutable_addresses()->add_address("10.0.1.2:4711");
      m.mutable_addresses()->add_address("[fd00::2]:4711");
      return sample;
  }
  return std::nullopt;
}

}  // namespace longhaul::protocol::test
