// What lies in a landing zone: a crash, a bad disk or another user's hand may have made anything of it.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "fuzz.h"
#include "journal/journal_file.h"
#include "journal/manifest.h"
#include "journal/manifest_stream.h"

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

/// Whatever is accepted can be written again, and is the same then but for reserved bytes.
void read_sorted(Place& place, std::size_t bytes) {
  auto reader = journal::RecordReader::open(*place.disk, place.directory, "file", journal::ManifestKind::sorted, 300);
  if (!reader) return;
  std::vector<journal::ManifestRecord> files;
  for (;;) {
    auto record = (*reader)->next();
    if (!record) return;
    if (!record->has_value()) break;
    files.push_back(std::move(**record));
  }
  std::vector<std::byte> written;
  journal::encode_manifest_header(written);
  for (const auto& file : files) journal::encode_manifest_record(file, written);
  const journal::ManifestSeal& seal = (*reader)->seal();
  (void)journal::check_signature(seal);
  std::vector<std::byte> sealed = written;
  journal::encode_manifest_seal(seal, sealed);
  journal::encode_manifest_end(files.size(), sealed);
  journal::encode_manifest_end(files.size(), written);
  LH_CHECK(written.size() == bytes || sealed.size() == bytes, "all of a manifest that is accepted has been understood");
}

/// A part of a file, as the sorter has them.
void read_run(Place& place, std::size_t bytes) {
  const auto reader = journal::RecordReader::begin_run(*place.disk, place.file, bytes / 8, bytes, 300);
  for (;;) {
    const auto record = reader->next();
    if (!record || !record->has_value()) return;
    LH_CHECK(reader->offset() <= bytes, "a run ends where it ends");
  }
}

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
  read_sorted(place, bytes);
  read_run(place, bytes);
  return 0;
}
