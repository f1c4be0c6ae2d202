#include "engine/feeder.h"

#include "base/stages.h"
#include "protocol/bounds.h"

namespace longhaul::engine {

Feeder::Feeder(Kit kit, std::shared_ptr<Feed> feed, std::function<void(FeedBatch)> deliver,
               std::function<void()> stream_grew)
    : kit_(std::move(kit)),
      feed_(std::move(feed)),
      deliver_(std::move(deliver)),
      stream_grew_(std::move(stream_grew)),
      mailbox_(kit_.poller.get()) {}

void Feeder::want(unsigned batches) {
  mailbox_.put([this, batches] { wanted_ += batches; });
}

void Feeder::fill(std::shared_ptr<StreamReader> reader) {
  mailbox_.put([this, reader = std::move(reader)] { stream_ = reader; });
}

void Feeder::stop() {
  mailbox_.put([this] { stopped_.store(true, std::memory_order_release); });
}

Time Feeder::step(Time now) {
  for (auto& mail : mailbox_.take()) mail();
  if (gone()) return now;
  if (stream_) return fill_stream(now);
  if (wanted_ == 0 || ended_) return time_never;
  walk();
  return now;
}

void Feeder::walk() {
  const StageScope scope(Stage::walk);
  --wanted_;
  FeedBatch batch;
  if (!std::exchange(begun_, true)) {
    if (auto begun = feed_->begin(*kit_.disk); !begun) batch.failed = std::move(begun.error());
  }
  if (!batch.failed) {
    auto more = feed_->next(*kit_.disk, batch.entries, batch.errors, protocol::entries_per_announce_max / 4);
    if (!more)
      batch.failed = std::move(more.error());
    else
      batch.end = !*more;
    batch.not_kept = feed_->not_kept();
  }
  ended_ = batch.end || batch.failed.has_value();
  deliver_(std::move(batch));
}

Time Feeder::fill_stream(Time now) {
  const StageScope scope(Stage::read);
  if (stream_->full()) return now + millisecond;  // what is kept waits to become durable
  const std::uint64_t before = stream_->available();
  const auto more = stream_->fill();
  if (!more) {
    FeedBatch batch;
    batch.failed = more.error();
    deliver_(std::move(batch));
    stream_.reset();
    return time_never;
  }
  if (stream_->available() / protocol::leaf_bytes != before / protocol::leaf_bytes || !*more) stream_grew_();
  if (!*more) stream_.reset();
  return now;
}

}  // namespace longhaul::engine
