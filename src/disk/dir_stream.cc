#include "disk/dir_stream.h"

#include <dirent.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/bytes.h"

namespace longhaul::disk {
namespace {

FileType type_of(unsigned char type) {
  switch (type) {
    case DT_REG:
      return FileType::file;
    case DT_DIR:
      return FileType::directory;
    case DT_LNK:
      return FileType::symlink;
    default:
      return FileType::other;
  }
}

class SystemDirStream final : public DirStream {
 public:
  SystemDirStream(Fd directory, std::string name) : directory_(std::move(directory)), name_(std::move(name)) {}

  Result<bool> next(std::vector<DirEntry>& out, std::size_t max) override {
    const std::size_t before = out.size();
    while (out.size() - before < max) {
      if (at_ == filled_) {
        if (out.size() > before) break;  // hand over what is there before asking for more
        const Result<bool> more = refill();
        if (!more) return std::unexpected(more.error());
        if (!*more) return false;
      }
      take(out);
    }
    return true;
  }

 private:
  Result<bool> refill() {
    const ssize_t bytes = ::getdents64(directory_.get(), buffer_.data(), buffer_.size());
    // A directory that was removed while it was read has no more names.
    if (bytes < 0 && errno != ENOENT)
      return fail_errno(errno, fmt::format("cannot read directory {}", printable(name_)));
    at_ = 0;
    filled_ = bytes < 0 ? 0 : static_cast<std::size_t>(bytes);
    return filled_ > 0;
  }

  void take(std::vector<DirEntry>& out) {
    const auto* record = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
    at_ += record->d_reclen;
    const std::string_view name(static_cast<const char*>(record->d_name));
    if (name == "." || name == "..") return;
    out.push_back({.name = std::string(name),
                   .type = type_of(record->d_type),
                   .resume_at = static_cast<std::uint64_t>(record->d_off)});
  }

  Fd directory_;
  std::string name_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  alignas(dirent64) std::array<std::byte, std::size_t{32} * 1024> buffer_;
};

}  // namespace

std::unique_ptr<DirStream> make_dir_stream(Fd directory, std::string name) {
  return std::make_unique<SystemDirStream>(std::move(directory), std::move(name));
}

}  // namespace longhaul::disk
