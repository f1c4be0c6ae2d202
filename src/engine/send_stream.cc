#include "engine/send_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/stages.h"
#include "chunk/bundle.h"
#include "chunk/digest_tree.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t frames_ahead_direct = 4;  // LIMITS: depth 4-8 x 1 MiB is enough for O_DIRECT
constexpr unsigned frames_per_step = 8;
constexpr Time packing_per_step = 20 * millisecond;  // zstd at its highest levels: then it is others' turn

Error changed(const Feed& feed, const Entry& entry, const char* how) {
  return {Code::source_changed, feed.words(entry) + " " + how + " while it was sent; send it again when it is at rest",
          0};
}

/// Law 4: the content that was opened is the version that was announced.
Result<> check_version(disk::Disk& disk, const Feed& feed, const Entry& entry, const Content& content) {
  if (!content.file) return {};
  const StageScope scope(Stage::names);
  const auto now = disk.stat(*content.file);
  if (!now) return std::unexpected(now.error());
  if (!same_version(entry, *now)) return std::unexpected(changed(feed, entry, "changed"));
  return {};
}

bool is_copy(const ActiveTask& active, std::uint32_t transfer, const paths::Load& copy) {
  const ChunkTask& task = active.task;
  return task.transfer() == transfer && task.file_id() == copy.file && task.chunk == copy.chunk &&
         task.attempt == copy.attempt && !active.failed;
}

}  // namespace

SendStream::SendStream(StreamSetup setup, WorkerContext& context)
    : id_(setup.id), channel_(std::move(setup.channel)), counters_(std::move(setup.counters)), context_(context) {}

SendStream::~SendStream() = default;

void SendStream::assign(ChunkTask task) {
  auto active = std::make_shared<ActiveTask>();
  active->task = std::move(task);
  tasks_.push_back(std::move(active));
}

void SendStream::drop_transfer(std::uint32_t transfer) {
  for (auto& active : tasks_)
    if (active->task.transfer() == transfer) active->failed = true;
  for (auto& frame : frames_)
    if (frame->active->task.transfer() == transfer) frame->active->failed = true;
}

/// Null: it is not here, or all of it has gone out.
ActiveTask* SendStream::find_copy(std::uint32_t transfer, const paths::Load& copy) {
  for (auto& active : tasks_)
    if (is_copy(*active, transfer, copy)) return active.get();
  for (auto& frame : frames_)  // wholly read, and not wholly sent
    if (is_copy(*frame->active, transfer, copy)) return frame->active.get();
  return nullptr;
}

std::optional<std::uint64_t> SendStream::cancel(std::uint32_t transfer, const paths::Load& copy) {
  ActiveTask* const active = find_copy(transfer, copy);
  if (active == nullptr) return std::nullopt;
  active->failed = true;
  return active->sent_bytes;
}

bool SendStream::call_back(std::uint32_t transfer, const paths::Load& copy) {
  ActiveTask* const active = find_copy(transfer, copy);
  if (active == nullptr || active->sent_bytes > 0) return false;
  active->failed = true;  // what has been read ahead of it is dropped
  return true;
}

bool SendStream::step() {
  if (failed_) return false;
  bool moved = receive_messages();
  if (const auto flushed = channel_->flush(); !flushed) {
    fail(flushed.error());
    return true;
  }
  const Time packed_for = context_.packing.spent();
  for (unsigned i = 0; i < frames_per_step && !failed_ && !held_ && !channel_->sending(); ++i) {
    start_reads();
    context_.reap();
    if (!send_front()) break;
    moved = true;
    if (context_.packing.spent() - packed_for > packing_per_step) break;
  }
  if (channel_->sending()) refused_at_ = context_.now;
  return moved;
}

bool SendStream::receive_messages() {
  bool moved = false;
  while (!failed_) {
    wire::Incoming in = channel_->receive(nullptr);
    if (in.kind == wire::Incoming::Kind::nothing) return moved;
    moved = true;
    if (in.kind == wire::Incoming::Kind::message)
      context_.events.stream_message(id_, std::move(in.message));
    else if (in.kind == wire::Incoming::Kind::closed)
      fail({Code::connection, "the peer closed the stream", 0});
    else
      fail(in.kind == wire::Incoming::Kind::failed ? std::move(in.error)
                                                   : Error{Code::protocol, "frames on a sending stream", 0});
  }
  return moved;
}

std::unique_ptr<OutFrame> SendStream::new_frame() {
  if (spare_.empty()) return std::make_unique<OutFrame>();
  auto frame = std::move(spare_.back());
  spare_.pop_back();
  return frame;
}

/// Lets go of slot and files at once: other streams wait for them.
void SendStream::recycle(std::unique_ptr<OutFrame> frame) {
  frame->slot = Slot();
  frame->reads.clear();
  frame->active.reset();
  spare_.push_back(std::move(frame));
}

void SendStream::start_reads() {
  while (!tasks_.empty()) {
    const auto active = tasks_.front();
    if (active->failed || active->next_frame == active->task.frame_count()) {
      tasks_.pop_front();
      continue;
    }
    const bool direct = active->content.file && active->content.file->alignment() > 1;
    if (frames_.size() >= (direct ? frames_ahead_direct : 1)) return;
    if (!start_frame(active)) return;
  }
}

/// False when no slot is free.
bool SendStream::start_frame(const std::shared_ptr<ActiveTask>& active) {
  if (active->next_frame == 0 && active->task.file) {
    if (auto opened = open_content(*active); !opened) {
      fail_task(*active, std::move(opened.error()));
      return true;
    }
  }
  SlotPool* own = channel_->send_slots();
  Slot slot = own != nullptr ? own->take() : context_.slots.take();
  if (!slot) return false;
  auto frame = new_frame();
  frame->stream = this;
  frame->active = active;
  frame->index = active->next_frame;
  const unsigned hole_end = active->task.file ? end_of_hole(*active) : frame->index;
  frame->hole = hole_end > frame->index;
  frame->end = active->next_frame = frame->hole ? hole_end : frame->index + 1;
  frame->slot = std::move(slot);
  OutFrame& reading = *frame;
  frames_.push_back(std::move(frame));
  if (active->task.file)
    read_large(reading);
  else
    read_bundle(reading);
  return true;
}

/// The index behind the frames from the next one on that lie in a hole, each with all of it.
unsigned SendStream::end_of_hole(ActiveTask& active) {
  ChunkTask& task = active.task;
  if (!task.file->entry.sparse || !active.content.file) return active.next_frame;
  const StageScope scope(Stage::names);
  const std::uint64_t begin = std::uint64_t{active.next_frame} * task.frame_bytes;
  const std::uint64_t end =
      task.holes.end_of_hole(*context_.kit.disk, *active.content.file, task.extent.offset + begin) - task.extent.offset;
  return end >= task.extent.bytes ? task.frame_count() : static_cast<unsigned>(end / task.frame_bytes);
}

Result<> SendStream::open_content(ActiveTask& active) {
  const StageScope scope(Stage::names);
  OutgoingFile& file = *active.task.file;
  const std::lock_guard lock(file.mutex);
  if (!file.content) {
    auto content = file.feed->open(*context_.kit.disk, file.entry, file.direct);
    if (!content) return std::unexpected(content.error());
    if (auto same = check_version(*context_.kit.disk, *file.feed, file.entry, *content); !same) return same;
    file.content = std::move(*content);
  } else if (active.task.attempt > 0) {
    if (auto same = check_version(*context_.kit.disk, *file.feed, file.entry, file.content); !same) return same;
  }
  active.content = file.content;
  return {};
}

/// `from` lives until the read is done.
void SendStream::submit(OutRead& read, const Content& from) {
  const StageScope scope(Stage::read);
  ++read.frame->outstanding;
  ++reads_in_flight_;
  if (from.reader) {
    const auto got = from.reader->read_at(read.offset, {read.data, read.wanted});
    read.result = got ? static_cast<std::int64_t>(*got) : -std::int64_t{EIO};
    read_done(read);
    return;
  }
  read.file = from.file.get();
  context_.kit.disk->submit(read);
}

void SendStream::read_done(OutRead& read) {
  --reads_in_flight_;
  --read.frame->outstanding;
}

void SendStream::read_large(OutFrame& frame) {
  const ChunkTask& task = frame.active->task;
  const std::uint64_t begin = std::uint64_t{frame.index} * task.frame_bytes;
  const std::uint64_t frames = frame.end - frame.index;
  frame.raw_bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(frames * task.frame_bytes, task.extent.bytes - begin));
  if (frame.hole) return;
  OutRead& read = frame.reads.emplace_back();
  read.frame = &frame;
  read.data = frame.slot.payload();
  read.offset = task.extent.offset + begin;
  read.wanted = frame.raw_bytes;
  const Content& content = frame.active->content;
  const std::uint32_t align = content.file ? content.file->alignment() : 1;
  read.bytes = (frame.raw_bytes + align - 1) / align * align;
  submit(read, content);
}

Result<Content> SendStream::open_bundled(const BundlePlan& plan, const Entry& entry) {
  const StageScope scope(Stage::names);
  return plan.feed->open(*context_.kit.disk, entry, false);
}

void SendStream::read_bundle(OutFrame& frame) {
  const BundlePlan& plan = *frame.active->task.bundle;
  const std::size_t first = plan.frame_begins[frame.index];
  const std::size_t last =
      frame.index + 1 < plan.frame_begins.size() ? plan.frame_begins[frame.index + 1] : plan.files.size();
  frame.reads.resize(last - first);  // never grows afterwards: the disk holds pointers into it
  std::byte* at = frame.slot.payload() + chunk::bundle_table_bytes(last - first);
  for (std::size_t row = 0; row < last - first; ++row) {
    const Entry& entry = plan.files[first + row].entry;
    OutRead& read = frame.reads[row];
    read.frame = &frame;
    read.row = row;
    read.data = at;
    read.wanted = read.bytes = static_cast<std::uint32_t>(entry.size);
    at += entry.size;
    auto content = open_bundled(plan, entry);
    if (!content) {
      read.failed = true;
      context_.events.source_failed(plan.transfer, plan.files[first + row].id,
                                    {plan.feed->words(entry), content.error()});
      continue;
    }
    // Its one look comes after its one read: what is then still as it was announced was so all the time.
    read.content = std::move(*content);
    if (read.bytes > 0) submit(read, read.content);
  }
}

/// Sends the oldest frame when it has been read. False when there is nothing to send now.
bool SendStream::send_front() {
  if (frames_.empty() || frames_.front()->outstanding > 0) return false;
  auto frame = std::move(frames_.front());
  frames_.pop_front();
  ActiveTask& active = *frame->active;
  if (active.failed) {
    recycle(std::move(frame));
    return true;
  }
  const ChunkTask& task = active.task;
  protocol::FrameHeader header;
  header.transfer = task.transfer();
  header.attempt = task.attempt;
  header.file = task.file_id();
  header.chunk = task.chunk;
  header.frame_index = static_cast<std::uint16_t>(frame->index);
  header.frame_count = static_cast<std::uint16_t>(task.frame_count());
  if (task.file) {
    if (auto finished = finish_large(*frame, header); !finished) {
      if (!frame->hole && is_late(*frame))
        drop_task(active);
      else
        fail_task(active, std::move(finished.error()));
      recycle(std::move(frame));
      return true;
    }
  } else {
    finish_bundle(*frame, header);
  }
  const std::size_t table = task.bundle ? chunk::bundle_table_bytes(frame->reads.size()) : 0;
  if (!header.bare()) pack(*frame, header);
  std::byte* begin = frame->slot.before_payload(protocol::frame_header_bytes);
  protocol::encode_frame_header(
      header, std::span<std::byte, protocol::frame_header_bytes>(begin, protocol::frame_header_bytes));
  channel_->begin_frame({begin, protocol::frame_header_bytes + header.wire_bytes}, std::move(frame->slot));
  active.sent_bytes += header.raw_bytes - table;
  if (!header.hole()) counters_->count(header, table);
  counters_->frames.fetch_add(1, std::memory_order_relaxed);
  note_sent(header);
  recycle(std::move(frame));
  if (const auto flushed = channel_->flush(); !flushed) fail(flushed.error());
  return true;
}

Result<> SendStream::finish_large(OutFrame& frame, protocol::FrameHeader& header) {
  const ChunkTask& task = frame.active->task;
  const OutgoingFile& file = *task.file;
  if (!frame.hole) {
    const OutRead& read = frame.reads.front();
    if (read.result < 0)
      return std::unexpected(
          error_of_errno(static_cast<int>(-read.result), "cannot read " + file.feed->words(file.entry)));
    if (read.result < static_cast<std::int64_t>(frame.raw_bytes))
      return std::unexpected(changed(*file.feed, file.entry, "became shorter"));
  }
  // One chunk: nothing is published before its last frame, so this is the look after the last read. The same for what
  // is sent again: the planner may have had its look already.
  if ((file.one_chunk || task.attempt > 0) && frame.end == task.frame_count())
    if (auto same = check_version(*context_.kit.disk, *file.feed, file.entry, frame.active->content); !same)
      return same;
  header.offset = task.extent.offset + std::uint64_t{frame.index} * task.frame_bytes;
  header.raw_bytes = frame.raw_bytes;
  if (frame.hole) {
    header.flags = protocol::flag_sparse;
    return {};
  }
  const StageScope scope(Stage::digest);
  header.wire_bytes = frame.raw_bytes;
  header.leaf_count = static_cast<std::uint8_t>(chunk::leaves_of(frame.raw_bytes));
  for (std::size_t leaf = 0; leaf < header.leaf_count; ++leaf)
    header.leaves[leaf] = chunk::leaf_digest({frame.slot.payload(), frame.raw_bytes}, leaf);
  if (is_matched(frame, header)) {
    header.flags = protocol::flag_matched;
    header.wire_bytes = 0;
  }
  return {};
}

/// The receiver has it already.
bool SendStream::is_matched(const OutFrame& frame, const protocol::FrameHeader& header) {
  const ChunkTask& task = frame.active->task;
  if (!task.older || frame.index >= task.older->size()) return false;
  const FrameKey key =
      frame_key(task.delta, {frame.slot.payload(), frame.raw_bytes}, {header.leaves.data(), header.leaf_count});
  return key == (*task.older)[frame.index];
}

/// The file is still the version that was announced, and its content is all there.
bool SendStream::bundled_file_whole(OutRead& read, const BundlePlan::File& file) {
  if (read.failed) return false;
  const BundlePlan& plan = *read.frame->active->task.bundle;
  Error error;
  if (read.bytes > 0 && read.result >= 0 && read.result < static_cast<std::int64_t>(read.bytes))
    error = changed(*plan.feed, file.entry, "became shorter");
  else if (auto same = check_version(*context_.kit.disk, *plan.feed, file.entry, read.content); !same)
    error = std::move(same.error());  // a directory may stand there now, which cannot be read either
  else if (read.bytes > 0 && read.result < 0)
    error = error_of_errno(static_cast<int>(-read.result), "cannot read " + plan.feed->words(file.entry));
  else
    return true;
  context_.events.source_failed(plan.transfer, file.id, {plan.feed->words(file.entry), std::move(error)});
  return false;
}

void SendStream::finish_bundle(OutFrame& frame, protocol::FrameHeader& header) {
  const BundlePlan& plan = *frame.active->task.bundle;
  const std::size_t first = plan.frame_begins[frame.index];
  std::vector<chunk::BundleRow> rows(frame.reads.size());
  const std::size_t table_bytes = chunk::bundle_table_bytes(rows.size());
  std::byte* end = frame.slot.payload() + table_bytes;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    OutRead& read = frame.reads[row];
    rows[row].file = plan.files[first + row].id;
    rows[row].whole = bundled_file_whole(read, plan.files[first + row]);
    read.content = {};
    if (!rows[row].whole) continue;
    rows[row].bytes = read.bytes;
    if (read.data != end) std::copy(read.data, read.data + read.bytes, end);  // a failed file left a gap before it
    rows[row].digest = digest_of({end, read.bytes});
    end += read.bytes;
  }
  header.flags = protocol::flag_bundle;
  header.leaf_count = 1;
  header.leaves[0] = chunk::encode_bundle_table(rows, {frame.slot.payload(), table_bytes});
  header.raw_bytes = header.wire_bytes = static_cast<std::uint32_t>(end - frame.slot.payload());
}

Digest SendStream::digest_of(ConstBytes content) {
  const StageScope scope(Stage::digest);
  return chunk::file_digest(content);
}

void SendStream::fail_task(ActiveTask& active, Error error) {
  active.failed = true;
  OutgoingFile& file = *active.task.file;  // bundles fail file by file
  context_.events.source_failed(file.transfer, file.id, {file.feed->words(file.entry), std::move(error)});
}

/// Another copy of this part of a stream was faster: it is durable, and let go.
bool SendStream::is_late(const OutFrame& frame) {
  const auto* stream = dynamic_cast<const StreamReader*>(frame.active->content.reader.get());
  return stream != nullptr && stream->let_go(frame.reads.front().offset);
}

void SendStream::drop_task(ActiveTask& active) {
  active.failed = true;
  const ChunkTask& task = active.task;
  context_.events.task_dropped(id_, task.transfer(), {task.file_id(), task.chunk, task.attempt, active.sent_bytes});
}

void SendStream::fail(Error error) {
  if (std::exchange(failed_, true)) return;
  error_ = std::move(error);
}

Time SendStream::watch(Time now) {
  if (failed_) return time_never;
  channel_->watch(*context_.kit.poller);
  return channel_->next_look(*context_.kit.poller, now);
}

}  // namespace longhaul::engine
