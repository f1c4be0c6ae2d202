#include "cli/identity_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "cli/secret_file.h"
#include "folder.h"
#include "longhaul/identity.h"

namespace longhaul::cli {
namespace {

mode_t mode_of(const std::string& file) {
  struct stat status{};
  EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
  return status.st_mode & 07777U;
}

TEST(IdentityFile, IsMadeOnceWithItsDirectories) {
  const Folder folder;
  const std::string file = folder.file("config/longhaul/identity");
  const auto made = load_or_make_identity(file);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(mode_of(file), 0600U);
  EXPECT_EQ(mode_of(folder.file("config/longhaul")), 0700U);
  EXPECT_EQ(load_or_make_identity(file).value(), *made);
  EXPECT_TRUE(fingerprint_of_identity(*made)->starts_with("SHA256:"));
}

TEST(IdentityFile, ANewOneTakesItsPlaceOnRequest) {
  const Folder folder;
  const std::string file = folder.file("identity");
  const std::string first = load_or_make_identity(file).value();
  const auto second = replace_identity(file);
  ASSERT_TRUE(second);
  EXPECT_NE(*second, first);
  EXPECT_EQ(load_or_make_identity(file).value(), *second);
  EXPECT_EQ(mode_of(file), 0600U);
}

TEST(IdentityFile, WhatOthersMayReadOrChangeIsRefused) {
  const Folder folder;
  const std::string file = folder.file("identity");
  ASSERT_TRUE(load_or_make_identity(file));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const auto refused = load_or_make_identity(file);
    ASSERT_FALSE(refused) << mode;
    EXPECT_EQ(refused.error().code, Code::refused);
    EXPECT_NE(refused.error().text.find("chmod 600"), std::string::npos) << refused.error().text;
  }
  ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
  EXPECT_TRUE(load_or_make_identity(file));
}

TEST(IdentityFile, WhatIsNoKeyStays) {
  const Folder folder;
  const std::string file = folder.with("identity", "somebody's poem");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  const auto refused = load_or_make_identity(file);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find(file), std::string::npos);
  EXPECT_EQ(refused.error().text.find("poem"), std::string::npos);
  EXPECT_EQ(read_secret_file(file).value(), "somebody's poem");
}

TEST(IdentityFile, APlaceThatCannotBeIsNamed) {
  const auto refused = load_or_make_identity("/proc/nowhere/identity");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("/proc/nowhere"), std::string::npos) << refused.error().text;
  EXPECT_FALSE(load_or_make_identity("/dev/null"));
}

TEST(SecretFile, OneThatIsThereMayStay) {
  const Folder folder;
  const std::string file = folder.file("secret");
  ASSERT_TRUE(write_secret_file(file, "first", false));
  const auto second = write_secret_file(file, "second", false);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().system_errno, EEXIST);
  EXPECT_EQ(read_secret_file(file).value(), "first");
  ASSERT_TRUE(write_secret_file(file, "third", true));
  EXPECT_EQ(read_secret_file(file).value(), "third");
  const auto entries = std::filesystem::directory_iterator(std::filesystem::path(file).parent_path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a temporary file was left";
}

TEST(SecretFile, LargeOnesAreNone) {
  const Folder folder;
  const std::string file = folder.with("large", std::string(100'000, 'x'));
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  const auto refused = read_secret_file(file);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("too large"), std::string::npos);
}

}  // namespace
}  // namespace longhaul::cli
