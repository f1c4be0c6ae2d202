// What lies in a landing zone: a crash, a bad disk or another user's hand may have made anything of it.
#include <cstdlib>
#include <filesystem>
#include <string>

#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "fuzz.h"
#include "journal/journal_file.h"
#include "journal/manifest.h"

using namespace longhaul;

namespace {

/// A directory in memory where there is one; it goes with the process.
struct Place {
  Place() {
    std::string pattern =
        std::filesystem::exists("/dev/shm") ? "/dev/shm/longhaul-fuzz.XXXXXX" : "/tmp/longhaul-fuzz.XXXXXX";
    LH_CHECK(::mkdtemp(pattern.data()) != nullptr, "no place for files");
    path = pattern;
    disk = disk::make_system_disk(nullptr);
    directory = *disk->open_root(path);
    file = *disk->open_file(directory, "file", disk::Open::create, false);
  }
  ~Place() { std::filesystem::remove_all(path); }
  std::string path;
  std::unique_ptr<disk::Disk> disk;
  disk::DirPtr directory;
  disk::FilePtr file;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  static Place place;
  disk::Disk& disk = *place.disk;
  LH_CHECK(disk.set_size(*place.file, 0) && disk::write_now(disk, *place.file, 0, fuzz::input(data, bytes)), "no room");
  if (const auto header = journal::read_journal_header(disk, *place.file); header && *header) {
    const auto written = journal::encode_journal_header(**header);
    LH_CHECK(written.size() == (*header)->header_bytes, "a header that is accepted can be written again");
  }
  for (const bool is_log : {true, false})
    (void)journal::read_manifest(disk, place.directory, "file", is_log, [](const auto&) { return true; });
  return 0;
}
