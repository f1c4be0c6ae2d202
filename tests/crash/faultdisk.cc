// A disk that can lose power, fail, slow down and rot, for tests.
//
// It is a FUSE file system of two files: `disk`, a block device's contents, to be attached with losetup; and `ctl`,
// which takes a command when it is written and tells the answer and figures when it is read.
//
// The disk has a volatile write cache, as real ones do: a write is safe only after the next flush, which the kernel
// sends for fsync on a file system that is mounted from it. The image file is always current; beside it the disk
// remembers what each write since the last flush has replaced. A cut copies the image and takes back some of these
// writes: what a power failure at this instant would leave. The program above never notices.
//
// Commands: cut FILE [none|all|prefix|random [SEED]]     eio write|read|flush|off     slow OP_US FLUSH_US MB_PER_S
//           flip OFFSET BIT
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::size_t copy_bytes = 1 << 20;

/// The whole of `data`, or an errno.
int write_all(int fd, std::span<const char> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t put = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (put <= 0) return put < 0 ? errno : EIO;
    data = data.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return 0;
}

int read_all(int fd, std::span<char> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t got = ::pread(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (got <= 0) return got < 0 ? errno : EIO;
    data = data.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return 0;
}

/// What a write replaced.
struct Undo {
  std::uint64_t offset = 0;
  std::vector<char> old;

  [[nodiscard]] std::uint64_t end() const { return offset + old.size(); }
  [[nodiscard]] std::uint64_t first_sector() const { return offset / sector_bytes; }
  [[nodiscard]] std::uint64_t last_sector() const { return (end() - 1) / sector_bytes; }
};

struct Faults {
  bool eio_read = false;
  bool eio_write = false;
  bool eio_flush = false;
  double us_per_op = 0;
  double us_per_flush = 0;
  double us_per_byte = 0;
};

void nap(double us) {
  if (us > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(us));
}

/// Called by several threads at once: a cut must find its moment while a slow flush is under way.
class Disk {
 public:
  Disk(int fd, std::uint64_t bytes) : fd_(fd), bytes_(bytes) {}

  int read(std::span<char> into, std::uint64_t offset);
  int write(std::span<const char> data, std::uint64_t offset);
  int flush();
  /// The answer: "ok ..." or "error ...".
  std::string command(const std::string& line);
  std::string status();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Faults faults();
  std::string eio(std::istringstream& words);
  std::string slow(std::istringstream& words);
  std::string flip(std::istringstream& words);
  std::string cut(std::istringstream& words);
  std::string cut_to(const std::string& path, const std::string& mode, std::uint64_t seed);
  int copy_image(int out) const;
  int undo_after(int out, std::size_t kept) const;
  int undo_sectors(int out, std::mt19937_64& random) const;

  const int fd_;
  const std::uint64_t bytes_;
  std::mutex mutex_;            // guards all below, and the image against a cut
  std::deque<Undo> unflushed_;  // oldest first
  std::uint64_t flushed_ = 0;   // writes before unflushed_.front()
  Faults faults_;
  std::uint64_t flushes_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t cuts_ = 0;
  std::string answer_ = "ok";
};

Faults Disk::faults() {
  const std::lock_guard lock(mutex_);
  return faults_;
}

int Disk::read(std::span<char> into, std::uint64_t offset) {
  const Faults now = faults();
  nap(now.us_per_op + now.us_per_byte * static_cast<double>(into.size()));
  const std::lock_guard lock(mutex_);
  if (faults_.eio_read) {
    ++failed_;
    return EIO;
  }
  return read_all(fd_, into, offset);
}

int Disk::write(std::span<const char> data, std::uint64_t offset) {
  const Faults now = faults();
  nap(now.us_per_op + now.us_per_byte * static_cast<double>(data.size()));
  const std::lock_guard lock(mutex_);
  if (faults_.eio_write) {
    ++failed_;
    return EIO;
  }
  if (offset + data.size() > bytes_) return ENOSPC;
  Undo undo{offset, std::vector<char>(data.size())};
  if (const int error = read_all(fd_, undo.old, offset); error != 0) return error;
  if (std::ranges::equal(undo.old, data)) return 0;  // mkfs zeroes what is zero: the image keeps its holes
  unflushed_.push_back(std::move(undo));
  return write_all(fd_, data, offset);
}

/// Writes that were there when the flush came are safe when it ends, not before; later ones are none of its business.
int Disk::flush() {
  std::uint64_t covered = 0;
  double us = 0;
  {
    const std::lock_guard lock(mutex_);
    covered = flushed_ + unflushed_.size();
    us = faults_.us_per_flush;
  }
  nap(us);
  const std::lock_guard lock(mutex_);
  if (faults_.eio_flush) {
    ++failed_;
    return EIO;
  }
  for (; flushed_ < covered; ++flushed_) unflushed_.pop_front();
  ++flushes_;
  return 0;
}

// --- cuts
// -------------------------------------------------------------------------------------------------------------

int Disk::copy_image(int out) const {
  std::vector<char> buffer(copy_bytes);
  for (off_t at = 0; (at = ::lseek(fd_, at, SEEK_DATA)) >= 0;) {
    const off_t hole = ::lseek(fd_, at, SEEK_HOLE);
    if (hole < 0) return errno;
    while (at < hole) {
      const std::span piece(buffer.data(), std::min(copy_bytes, static_cast<std::size_t>(hole - at)));
      int error = read_all(fd_, piece, static_cast<std::uint64_t>(at));
      if (error == 0) error = write_all(out, piece, static_cast<std::uint64_t>(at));
      if (error != 0) return error;
      at += static_cast<off_t>(piece.size());
    }
  }
  return errno == ENXIO ? 0 : errno;  // ENXIO: no data behind the last hole
}

int Disk::undo_after(int out, std::size_t kept) const {
  for (std::size_t i = unflushed_.size(); i-- > kept;)
    if (const int error = write_all(out, unflushed_[i].old, unflushed_[i].offset); error != 0) return error;
  return 0;
}

/// Of every sector some number of its latest versions is lost: a drive may write its cache back in any order.
int Disk::undo_sectors(int out, std::mt19937_64& random) const {
  std::map<std::uint64_t, std::uint64_t> lost;  // sector -> versions, at first all of them
  for (const Undo& undo : unflushed_)
    for (std::uint64_t sector = undo.first_sector(); sector <= undo.last_sector(); ++sector) ++lost[sector];
  for (auto& [sector, versions] : lost) versions = random() % (versions + 1);
  for (std::size_t i = unflushed_.size(); i-- > 0;) {
    const Undo& undo = unflushed_[i];
    for (std::uint64_t sector = undo.first_sector(); sector <= undo.last_sector(); ++sector) {
      if (lost[sector] == 0) continue;
      --lost[sector];
      const std::uint64_t begin = std::max(undo.offset, sector * sector_bytes);
      const std::uint64_t end = std::min(undo.end(), (sector + 1) * sector_bytes);
      const std::span piece(undo.old.data() + (begin - undo.offset), end - begin);
      if (const int error = write_all(out, piece, begin); error != 0) return error;
    }
  }
  return 0;
}

std::string Disk::cut_to(const std::string& path, const std::string& mode, std::uint64_t seed) {
  const int out = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  if (out < 0) return "error " + path + ": " + std::strerror(errno);
  std::mt19937_64 random(seed);
  int error = ::ftruncate(out, static_cast<off_t>(bytes_)) < 0 ? errno : copy_image(out);
  if (error == 0 && mode == "none") error = undo_after(out, 0);
  if (error == 0 && mode == "prefix") error = undo_after(out, random() % (unflushed_.size() + 1));
  if (error == 0 && mode == "random") error = undo_sectors(out, random);
  ::close(out);
  if (error != 0) return "error " + path + ": " + std::strerror(error);
  ++cuts_;
  return "ok unflushed " + std::to_string(unflushed_.size());
}

// --- commands
// ---------------------------------------------------------------------------------------------------------

std::string Disk::cut(std::istringstream& words) {
  std::string path;
  std::string mode = "none";
  std::uint64_t seed = 1;
  words >> path >> mode >> seed;
  const bool known = mode == "none" || mode == "all" || mode == "prefix" || mode == "random";
  if (path.empty() || !known) return "error usage: cut FILE [none|all|prefix|random [SEED]]";
  return cut_to(path, mode, seed);
}

std::string Disk::eio(std::istringstream& words) {
  std::string what;
  words >> what;
  if (what == "read")
    faults_.eio_read = true;
  else if (what == "write")
    faults_.eio_write = true;
  else if (what == "flush")
    faults_.eio_flush = true;
  else if (what == "off")
    faults_.eio_read = faults_.eio_write = faults_.eio_flush = false;
  else
    return "error usage: eio read|write|flush|off";
  return "ok";
}

std::string Disk::slow(std::istringstream& words) {
  double mb_per_s = 0;
  double us_per_op = 0;
  double us_per_flush = 0;
  if (!(words >> us_per_op >> us_per_flush >> mb_per_s))
    return "error usage: slow OP_US FLUSH_US MB_PER_S (0: no limit)";
  faults_.us_per_op = us_per_op;
  faults_.us_per_flush = us_per_flush;
  faults_.us_per_byte = mb_per_s > 0 ? 1 / mb_per_s : 0;
  return "ok";
}

/// One bit of what is stored rots, and nobody is told.
std::string Disk::flip(std::istringstream& words) {
  std::uint64_t offset = 0;
  unsigned bit = 0;
  if (!(words >> offset >> bit) || offset >= bytes_ || bit > 7) return "error usage: flip OFFSET BIT";
  char byte = 0;
  int error = read_all(fd_, {&byte, 1}, offset);
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << bit));
  if (error == 0) error = write_all(fd_, {&byte, 1}, offset);
  return error == 0 ? "ok" : std::string("error ") + std::strerror(error);
}

std::string Disk::command(const std::string& line) {
  const std::lock_guard lock(mutex_);
  std::istringstream words(line);
  std::string name;
  words >> name;
  if (name == "cut")
    answer_ = cut(words);
  else if (name == "eio")
    answer_ = eio(words);
  else if (name == "slow")
    answer_ = slow(words);
  else if (name == "flip")
    answer_ = flip(words);
  else
    answer_ = "error no such command: " + name;
  return answer_;
}

std::string Disk::status() {
  const std::lock_guard lock(mutex_);
  std::ostringstream out;
  out << answer_ << "\nunflushed " << unflushed_.size() << "\nflushes " << flushes_ << "\nfailed " << failed_
      << "\ncuts " << cuts_ << "\n";
  return out.str();
}

// --- FUSE
// -------------------------------------------------------------------------------------------------------------

Disk& disk() {
  return *static_cast<Disk*>(fuse_get_context()->private_data);
}

constexpr std::string_view disk_path = "/disk";
constexpr std::string_view ctl_path = "/ctl";

bool is_ctl(const fuse_file_info& file) {
  return file.fh == 1;
}

int on_getattr(const char* path, struct stat* status, fuse_file_info* /*file*/) {
  *status = {};
  if (std::string_view(path) == "/") {
    status->st_mode = S_IFDIR | 0700;
    status->st_nlink = 2;
    return 0;
  }
  if (path != disk_path && path != ctl_path) return -ENOENT;
  status->st_mode = S_IFREG | 0600;
  status->st_nlink = 1;
  if (path == disk_path) status->st_size = static_cast<off_t>(disk().bytes());
  return 0;
}

int on_open(const char* path, fuse_file_info* file) {
  file->direct_io = 1;  // every read and write of the loop device comes here, at once
  file->fh = path == ctl_path ? 1 : 0;
  return 0;
}

int on_truncate(const char* /*path*/, off_t /*size*/, fuse_file_info* /*file*/) {
  return 0;  // the shell's `>ctl`
}

int on_read(const char* /*path*/, char* buffer, std::size_t bytes, off_t offset, fuse_file_info* file) {
  const auto at = static_cast<std::uint64_t>(offset);
  if (is_ctl(*file)) {
    const std::string text = disk().status();
    if (at >= text.size()) return 0;
    return static_cast<int>(text.copy(buffer, bytes, at));
  }
  if (at >= disk().bytes()) return 0;
  const std::size_t there = std::min<std::uint64_t>(bytes, disk().bytes() - at);
  const int error = disk().read({buffer, there}, at);
  return error != 0 ? -error : static_cast<int>(there);
}

int on_write(const char* /*path*/, const char* data, std::size_t bytes, off_t offset, fuse_file_info* file) {
  if (is_ctl(*file))
    return disk().command(std::string(data, bytes)).starts_with("ok") ? static_cast<int>(bytes) : -EINVAL;
  const int error = disk().write({data, bytes}, static_cast<std::uint64_t>(offset));
  return error != 0 ? -error : static_cast<int>(bytes);
}

int on_fsync(const char* /*path*/, int /*data_only*/, fuse_file_info* file) {
  return is_ctl(*file) ? 0 : -disk().flush();
}

int serve(std::string program, std::string where, Disk& disk) {
  fuse_operations operations{};
  operations.getattr = on_getattr;
  operations.open = on_open;
  operations.truncate = on_truncate;
  operations.read = on_read;
  operations.write = on_write;
  operations.fsync = on_fsync;
  std::string foreground = "-f";
  std::vector<char*> arguments{program.data(), foreground.data(), where.data()};
  return fuse_main(static_cast<int>(arguments.size()), arguments.data(), &operations, &disk);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t mib = argc == 4 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (mib == 0) {
    std::fputs("usage: faultdisk IMAGE MIB MOUNTPOINT   (stays in the foreground; fusermount3 -u ends it)\n", stderr);
    return 2;
  }
  const std::uint64_t bytes = mib << 20U;
  const int fd = ::open(argv[1], O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) < 0) {
    std::perror(argv[1]);
    return 1;
  }
  Disk disk(fd, bytes);
  return serve(argv[0], argv[3], disk);
}
