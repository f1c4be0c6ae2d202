// Manifests made, compared and held against directories, on the machine's own file system.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/bytes.h"
#include "chunk/digest_tree.h"
#include "disk/system_disk.h"
#include "engine/content_digest.h"
#include "longhaul/identity.h"
#include "longhaul/manifest.h"
#include "longhaul/verify.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

class ScanTest : public ::testing::Test {
 protected:
  ScanTest() {
    std::string pattern = fs::temp_directory_path() / "longhaul-scan.XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    fs::create_directories(path_ / "tree/d/e");
    put("tree/a", "alpha");
    put("tree/d/b", std::string(9 * 1024 * 1024 + 5, 'b'));
    put("tree/d/e/empty", "");
    put("tree/\xff\n", "odd");
    fs::create_symlink("a", path_ / "tree/link");
  }
  ~ScanTest() override { fs::remove_all(path_); }

  [[nodiscard]] std::string at(const std::string& name) const { return path_ / name; }
  void put(const std::string& name, const std::string& content) const { std::ofstream(path_ / name) << content; }
  /// Another content, and the same size and time.
  void forge(const std::string& name) const {
    const auto time = fs::last_write_time(path_ / name);
    std::fstream file(path_ / name, std::ios::in | std::ios::out);
    file.put('X');
    file.close();
    fs::last_write_time(path_ / name, time);
  }
  [[nodiscard]] Result<ManifestReport> make(const std::string& file, ManifestOptions options = {},
                                            const std::string& tree = "tree/") const {
    return make_manifest(*tree_source({at(tree)}), at(file), options, nullptr);
  }
  [[nodiscard]] std::map<std::string, ManifestFile> in(const std::string& file) const {
    std::map<std::string, ManifestFile> found;
    const auto shown = show_manifest(at(file), [&](const ManifestFile& each) {
      found[each.path] = each;
      return true;
    });
    EXPECT_TRUE(shown) << shown.error().text;
    return found;
  }
  [[nodiscard]] Result<VerifyReport> check(const std::string& file, VerifyOptions options = {}) const {
    options.manifest = at(file);
    return verify(at("tree"), options, nullptr);
  }
  /// Lines as `longhaul diff` has them.
  [[nodiscard]] std::string differences(const std::string& first, const std::string& second) const {
    std::string out;
    const auto found = compare_manifests(
        at(first), at(second), [&](ManifestDifference how, const ManifestFile* one, const ManifestFile* other) {
          constexpr std::string_view signs = "-+~t";
          EXPECT_EQ(one == nullptr, how == ManifestDifference::only_in_second);
          EXPECT_EQ(other == nullptr, how == ManifestDifference::only_in_first);
          out += signs[static_cast<std::size_t>(how)] + (one != nullptr ? one : other)->path + ";";
          return true;
        });
    EXPECT_TRUE(found) << found.error().text;
    EXPECT_EQ(found && found->same(), out.empty());
    return out;
  }

  fs::path path_;
};

TEST_F(ScanTest, EveryFileHasItsRecord) {
  const auto report = make("m");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->manifest.files, 4U);
  EXPECT_EQ(report->manifest.bytes, 9U * 1024 * 1024 + 5 + 5 + 3);
  EXPECT_EQ(report->without_record, 1U) << "the symlink";
  EXPECT_EQ(report->unreadable + report->changed, 0U);
  EXPECT_EQ(report->manifest.sha256_root, "");
  const auto files = in("m");
  ASSERT_EQ(files.size(), 4U);
  EXPECT_EQ(files.at("a").digest, chunk::file_digest(bytes_of("alpha")).hex());
  EXPECT_EQ(files.at("d/b").digest, chunk::file_digest(bytes_of(std::string(9 * 1024 * 1024 + 5, 'b'))).hex());
  EXPECT_EQ(files.at("a").size, 5U);
  EXPECT_EQ(files.at("a").sha256, "");
  EXPECT_TRUE(files.contains("\xff\n"));
  struct stat status{};
  ASSERT_EQ(::stat(at("m").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  std::size_t names = 0;
  for ([[maybe_unused]] const auto& each : fs::directory_iterator(path_)) ++names;
  EXPECT_EQ(names, 2U) << "nothing stays beside the manifest";
}

TEST_F(ScanTest, TheSameTreeHasTheSameRootWhoeverReadsIt) {
  const auto one = make("one", {.threads = 1});
  const auto many = make("many", {.sha256 = true, .threads = 7});
  ASSERT_TRUE(one && many);
  EXPECT_EQ(one->manifest.root, many->manifest.root);
  EXPECT_EQ(in("many").at("a").sha256,
            "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8");  // printf alpha | sha256sum
  EXPECT_EQ(differences("one", "many"), "");
}

TEST_F(ScanTest, AListIsWhatWouldStandInTheFile) {
  ASSERT_TRUE(make("m", {.sha256 = true}));
  std::vector<std::string> listed;
  const auto report = list_manifest(
      *tree_source({at("tree/")}),
      [&](const ManifestFile& file) {
        listed.push_back(file.path + file.digest + file.sha256);
        return true;
      },
      {.sha256 = true}, nullptr);
  ASSERT_TRUE(report);
  std::vector<std::string> expected;
  for (const auto& [path, file] : in("m")) expected.push_back(path + file.digest + file.sha256);
  EXPECT_EQ(listed, expected);
  EXPECT_EQ(report->manifest.sha256_root, show_manifest(at("m"), nullptr)->sha256_root);
}

/// It neither has a record of itself nor of what it replaces.
TEST_F(ScanTest, MayLieInItsOwnTree) {
  for (int run = 0; run < 2; ++run) {
    const auto report = make("tree/m");
    ASSERT_TRUE(report);
    EXPECT_EQ(report->manifest.files, 4U) << run;
  }
  const auto checked = check("tree/m", {.exact = true});
  ASSERT_TRUE(checked) << checked.error().text;
  EXPECT_EQ(checked->without_digest, 0U);
}

/// The user's own path, other than those in a manifest.
TEST_F(ScanTest, AManifestMayBeNamedByASymlink) {
  ASSERT_TRUE(make("m"));
  fs::create_symlink("m", path_ / "relative");
  fs::create_symlink(at("relative"), path_ / "absolute");
  fs::create_symlink("loop", path_ / "loop");
  EXPECT_EQ(in("absolute").size(), 4U);
  EXPECT_EQ(differences("relative", "m"), "");
  EXPECT_FALSE(show_manifest(at("loop"), nullptr));
  EXPECT_EQ(make("relative").error().code, Code::usage);
}

TEST_F(ScanTest, PlacesThatCannotBeAManifests) {
  EXPECT_EQ(make("tree/").error().code, Code::usage);
  EXPECT_EQ(make("tree").error().code, Code::usage);
  EXPECT_EQ(make("nowhere/m").error().code, Code::not_found);
  fs::create_directory(path_ / "tree/.longhaul");
  EXPECT_EQ(make("tree/.longhaul/manifest").error().code, Code::usage);
  EXPECT_EQ(make("tree/.longhaul//manifest").error().code, Code::usage);
}

TEST_F(ScanTest, AnInterruptedOneLeavesTheOldOne) {
  ASSERT_TRUE(make("m"));
  put("tree/new", "new");
  StopFlag stop{1};
  const auto report = make_manifest(*tree_source({at("tree/")}), at("m"), {}, nullptr, &stop);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::interrupted);
  EXPECT_EQ(in("m").size(), 4U);
  std::size_t names = 0;
  for ([[maybe_unused]] const auto& each : fs::directory_iterator(path_)) ++names;
  EXPECT_EQ(names, 2U);
}

TEST_F(ScanTest, WhatTheSelectionLeavesOutIsCounted) {
  const auto report = make_manifest(*tree_source({at("tree")}, {.rules = {"- /tree/d"}}), at("m"), {}, nullptr);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->left_out, 1U);
  const auto files = in("m");
  EXPECT_TRUE(files.contains("tree/a")) << "paths are those of the target";
  EXPECT_EQ(files.size(), 2U);
}

/// Law 4: one version, or none.
TEST_F(ScanTest, WhatChangesWhileItIsReadHasNoDigest) {
  const auto disk = disk::make_system_disk(nullptr);
  const auto root = *disk->open_root(at("tree"));
  const auto file = *disk->open_file(root, "a", disk::Open::read, false);
  const disk::Stat found = *disk->stat(*file);
  std::vector<std::byte> buffer(1000);
  std::atomic<std::uint64_t> counted{0};
  const auto digest = [&](const disk::Stat& before) {
    return engine::digest_content(*disk, *file, before, true, buffer, nullptr, counted);
  };
  const auto whole = digest(found);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->root, chunk::file_digest(bytes_of("alpha")));
  EXPECT_EQ(whole->sha256, security::sha256_of({bytes_of("alpha")}));
  EXPECT_EQ(counted, 5U);
  auto before = found;
  before.mtime_ns -= 1;
  EXPECT_EQ(digest(before).error().code, Code::source_changed);
  before = found;
  before.ctime_ns -= 1;
  EXPECT_EQ(digest(before).error().code, Code::source_changed);
  before = found;
  before.size += 1;
  EXPECT_EQ(digest(before).error().code, Code::source_changed);
  before = found;
  before.size -= 1;
  EXPECT_EQ(digest(before).error().code, Code::source_changed);
  const StopFlag stop{1};
  EXPECT_EQ(engine::digest_content(*disk, *file, found, true, buffer, &stop, counted).error().code, Code::interrupted);
}

TEST_F(ScanTest, HolesAreZeros) {
  put("tree/holes", "");
  fs::resize_file(path_ / "tree/holes", 20 * 1024 * 1024 + 7);
  const auto report = make("m", {.sha256 = true});
  ASSERT_TRUE(report);
  const std::string zeros(20 * 1024 * 1024 + 7, '\0');
  const auto files = in("m");
  EXPECT_EQ(files.at("holes").digest, chunk::file_digest(bytes_of(zeros)).hex());
  EXPECT_EQ(files.at("holes").sha256, to_hex(security::sha256_of({bytes_of(zeros)})));
}

TEST_F(ScanTest, VerifyFindsEveryKindOfDifference) {
  ASSERT_TRUE(make("m", {.sha256 = true}));
  auto report = check("m");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->files, 4U);
  EXPECT_EQ(report->manifest.sha256_root, show_manifest(at("m"), nullptr)->sha256_root);
  forge("tree/a");
  put("tree/d/b", "other size");
  fs::remove(path_ / "tree/d/e/empty");
  put("tree/z", "extra");
  put("tree/0", "extra");
  report = check("m");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files, 1U);
  EXPECT_EQ(report->mismatched, 1U);
  EXPECT_EQ(report->changed, 1U);
  EXPECT_EQ(report->missing, 1U);
  EXPECT_EQ(report->without_digest, 2U);
  EXPECT_EQ(report->extra, (std::vector<std::string>{"0", "z"}));
  ASSERT_EQ(report->errors.size(), 3U);
  EXPECT_EQ(report->errors[0].path, "a");
  EXPECT_EQ(report->errors[1].path, "d/b");
  EXPECT_EQ(report->errors[2].path, "d/e/empty");
}

TEST_F(ScanTest, VerifyTakesOnlyWhatTheRightKeyHasSigned) {
  const std::string key = new_identity();
  const std::string other = *fingerprint_of_identity(new_identity());
  const std::string signer = *fingerprint_of_identity(key);
  const auto made = make("signed", {.identity_pem = key});
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->manifest.signer, signer);
  EXPECT_FALSE(made->manifest.sha256_root.empty()) << "signing brings SHA-256";
  ASSERT_TRUE(make("plain"));
  EXPECT_EQ(check("signed", {.signer = signer})->manifest.signer, signer);
  EXPECT_EQ(check("signed")->manifest.signer, signer);
  EXPECT_EQ(check("plain")->manifest.signer, "");
  EXPECT_EQ(check("signed", {.signer = other}).error().code, Code::refused);
  EXPECT_EQ(check("plain", {.signer = signer}).error().code, Code::refused);
  EXPECT_EQ(make("x", {.identity_pem = "no key"}).error().code, Code::usage);
}

TEST_F(ScanTest, ManifestsAreCompared) {
  ASSERT_TRUE(make("one"));
  EXPECT_EQ(differences("one", "one"), "");
  forge("tree/a");
  put("tree/new", "new");
  fs::remove(path_ / "tree/d/b");
  const auto time = fs::last_write_time(path_ / "tree/d/e/empty");
  fs::last_write_time(path_ / "tree/d/e/empty", time - std::chrono::hours(1));
  ASSERT_TRUE(make("two"));
  EXPECT_EQ(differences("one", "two"), "~a;-d/b;td/e/empty;+new;");
  EXPECT_EQ(differences("two", "one"), "~a;+d/b;td/e/empty;-new;");
  put("empty", "");
  EXPECT_EQ(compare_manifests(at("one"), at("empty"), nullptr).error().code, Code::corrupt);
  EXPECT_EQ(compare_manifests(at("none"), at("one"), nullptr).error().code, Code::not_found);
  EXPECT_EQ(compare_manifests(at("tree"), at("one"), nullptr).error().code, Code::not_found);
}

}  // namespace
}  // namespace longhaul
