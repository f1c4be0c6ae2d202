// A file system far away, for tests: what is beneath a directory, with each look at a name taking its time, as it does
// on a file server. The kernel keeps for a minute what it was told. The file `.far` tells how many looks there were,
// and how many were under way at once.
//
//   farfs DIRECTORY DELAY_US MOUNTPOINT
#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

constexpr std::string_view told_at = "/.far";
constexpr double kept_s = 60;

int root = -1;
std::chrono::microseconds delay{0};
std::atomic<std::uint64_t> looks{0};
std::atomic<std::uint64_t> at_once{0};
std::atomic<std::uint64_t> most_at_once{0};

const char* beneath(const char* path) {
  return path[1] == '\0' ? "." : path + 1;
}

int outcome(long result) {
  return result < 0 ? -errno : static_cast<int>(result);
}

std::string told() {
  return "looks " + std::to_string(looks) + "\nat_once " + std::to_string(most_at_once) + "\n";
}

int descriptor(const fuse_file_info* file) {
  return static_cast<int>(file->fh);
}

void* begin(fuse_conn_info* connection, fuse_config* config) {
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
  config->use_ino = 1;
  config->entry_timeout = config->attr_timeout = config->negative_timeout = kept_s;
  return nullptr;
}

int get_attributes(const char* path, struct stat* found, fuse_file_info* file) {
  if (file != nullptr && path != told_at) return outcome(::fstat(descriptor(file), found));
  if (path == told_at) {
    *found = {};
    found->st_mode = S_IFREG | 0444;
    found->st_nlink = 1;
    found->st_size = 4096;
    return 0;
  }
  const std::uint64_t now = ++at_once;
  for (std::uint64_t most = most_at_once; now > most && !most_at_once.compare_exchange_weak(most, now);) {
  }
  ++looks;
  std::this_thread::sleep_for(delay);
  --at_once;
  return outcome(::fstatat(root, beneath(path), found, AT_SYMLINK_NOFOLLOW));
}

int open_file(const char* path, fuse_file_info* file) {
  if (path == told_at) {
    file->direct_io = 1;
    return 0;
  }
  const int fd = ::openat(root, beneath(path), file->flags | O_NOFOLLOW);
  file->fh = static_cast<std::uint64_t>(fd);
  return fd < 0 ? -errno : 0;
}

int create_file(const char* path, mode_t mode, fuse_file_info* file) {
  const int fd = ::openat(root, beneath(path), file->flags | O_CREAT | O_NOFOLLOW, mode);
  file->fh = static_cast<std::uint64_t>(fd);
  return fd < 0 ? -errno : 0;
}

int read_file(const char* path, char* into, std::size_t bytes, off_t offset, fuse_file_info* file) {
  if (path != told_at) return outcome(::pread(descriptor(file), into, bytes, offset));
  const std::string text = told();
  const auto begin = std::min(static_cast<std::size_t>(offset), text.size());
  return static_cast<int>(text.copy(into, bytes, begin));
}

int list(const char* path, void* into, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  const int fd = ::openat(root, beneath(path), O_RDONLY | O_DIRECTORY);
  DIR* const directory = fd < 0 ? nullptr : ::fdopendir(fd);
  if (directory == nullptr) return -errno;
  while (const dirent* entry = ::readdir(directory)) {
    struct stat what{};
    what.st_ino = entry->d_ino;
    what.st_mode = static_cast<mode_t>(entry->d_type) << 12U;
    if (fill(into, static_cast<const char*>(entry->d_name), &what, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  ::closedir(directory);
  return 0;
}

int read_link(const char* path, char* into, std::size_t bytes) {
  const ssize_t got = ::readlinkat(root, beneath(path), into, bytes - 1);
  if (got < 0) return -errno;
  into[got] = '\0';
  return 0;
}

int space(const char*, struct statvfs* found) {
  return outcome(::fstatvfs(root, found));
}

fuse_operations operations() {
  fuse_operations all{};
  all.init = begin;
  all.getattr = get_attributes;
  all.readlink = read_link;
  all.readdir = list;
  all.open = open_file;
  all.create = create_file;
  all.read = read_file;
  all.statfs = space;
  all.write = [](const char*, const char* from, std::size_t bytes, off_t offset, fuse_file_info* file) {
    return outcome(::pwrite(descriptor(file), from, bytes, offset));
  };
  all.release = [](const char* path, fuse_file_info* file) {
    return path == told_at ? 0 : outcome(::close(descriptor(file)));
  };
  all.truncate = [](const char*, off_t bytes, fuse_file_info* file) {
    return file == nullptr ? -EOPNOTSUPP : outcome(::ftruncate(descriptor(file), bytes));
  };
  all.fsync = [](const char*, int, fuse_file_info* file) { return outcome(::fsync(descriptor(file))); };
  all.fsyncdir = [](const char*, int, fuse_file_info*) { return 0; };
  all.mkdir = [](const char* path, mode_t mode) { return outcome(::mkdirat(root, beneath(path), mode)); };
  all.unlink = [](const char* path) { return outcome(::unlinkat(root, beneath(path), 0)); };
  all.rmdir = [](const char* path) { return outcome(::unlinkat(root, beneath(path), AT_REMOVEDIR)); };
  all.symlink = [](const char* to, const char* path) { return outcome(::symlinkat(to, root, beneath(path))); };
  all.rename = [](const char* from, const char* to, unsigned flags) {
    return outcome(::renameat2(root, beneath(from), root, beneath(to), flags));
  };
  all.link = [](const char* from, const char* to) {
    return outcome(::linkat(root, beneath(from), root, beneath(to), 0));
  };
  all.chmod = [](const char* path, mode_t mode, fuse_file_info*) {
    return outcome(::fchmodat(root, beneath(path), mode, 0));
  };
  all.utimens = [](const char* path, const timespec* times, fuse_file_info*) {
    return outcome(::utimensat(root, beneath(path), times, AT_SYMLINK_NOFOLLOW));
  };
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: farfs DIRECTORY DELAY_US MOUNTPOINT\n", stderr);
    return 2;
  }
  root = ::open(argv[1], O_RDONLY | O_DIRECTORY);
  if (root < 0) {
    std::perror(argv[1]);
    return 1;
  }
  delay = std::chrono::microseconds(std::strtoul(argv[2], nullptr, 10));
  ::umask(0);
  std::string name = argv[0];
  std::string foreground = "-f";
  char* words[] = {name.data(), foreground.data(), argv[3], nullptr};
  const fuse_operations all = operations();
  return fuse_main(3, words, &all, nullptr);
}
