// The sinks that come with Longhaul.
#include <utility>

#include "base/bytes.h"
#include "disk/pipe.h"
#include "longhaul/sink.h"

namespace longhaul {
namespace {

class DirectorySink final : public Sink {
 public:
  DirectorySink(std::string path, bool special, bool deletes)
      : path_(std::move(path)), special_(special), deletes_(deletes) {}
  Result<std::shared_ptr<Writer>> create(const Entry& entry) override {
    return fail(Code::internal, "the directory sink lands " + printable(entry.path) + " by the engine's own disks");
  }
  std::string directory() const override { return path_; }
  bool takes_special() const override { return special_; }
  bool allows_delete() const override { return deletes_; }

 private:
  std::string path_;
  bool special_;
  bool deletes_;
};

class PipeWriter final : public Writer {
 public:
  explicit PipeWriter(int fd) : fd_(fd) {}
  Result<> write_at(std::uint64_t, std::span<const std::byte> bytes) override { return disk::write_pipe(fd_, bytes); }
  Result<> finish(std::uint64_t) override { return {}; }

 private:
  int fd_;
};

class PipeSink final : public Sink {
 public:
  explicit PipeSink(int fd) : fd_(fd) {}
  Result<std::shared_ptr<Writer>> create(const Entry& entry) override {
    if (entry.type != EntryType::file)
      return fail(Code::refused, "the receiver writes one stream; it has no place for " + printable(entry.path));
    if (std::exchange(used_, true))
      return fail(Code::refused, "the receiver writes one stream; " + printable(entry.path) + " would be a second one");
    return std::make_shared<PipeWriter>(fd_);
  }
  bool ordered() const override { return true; }

 private:
  int fd_;
  bool used_ = false;
};

}  // namespace

std::unique_ptr<Sink> directory_sink(std::string path, bool special, bool deletes) {
  return std::make_unique<DirectorySink>(std::move(path), special, deletes);
}
std::unique_ptr<Sink> stream_sink(int fd) {
  return std::make_unique<PipeSink>(fd);
}

}  // namespace longhaul
