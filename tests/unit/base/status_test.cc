#include "longhaul/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>

namespace longhaul {
namespace {

TEST(Status, ErrnoTable) {
  struct Case {
    int system_errno;
    Code code;
  };
  for (const Case& one : {
           Case{ENOSPC, Code::no_space},
           Case{EDQUOT, Code::no_space},
           Case{EACCES, Code::permission},
           Case{EPERM, Code::permission},
           Case{EROFS, Code::read_only},
           Case{ENOENT, Code::not_found},
           Case{ENOTDIR, Code::not_found},
           Case{ECONNREFUSED, Code::connection},
           Case{ECONNRESET, Code::connection},
           Case{ECONNABORTED, Code::connection},
           Case{EPIPE, Code::connection},
           Case{ENETUNREACH, Code::connection},
           Case{EHOSTUNREACH, Code::connection},
           Case{ETIMEDOUT, Code::connection},
           Case{EBUSY, Code::busy},
           Case{ETXTBSY, Code::busy},
           Case{ENOSYS, Code::unsupported},
           Case{EOPNOTSUPP, Code::unsupported},
           Case{EIO, Code::io},
           Case{EINVAL, Code::io},
           Case{99999, Code::io},
       }) {
    const Error error = error_of_errno(one.system_errno, "cannot write /a/b");
    EXPECT_EQ(error.code, one.code) << std::strerror(one.system_errno);
    EXPECT_EQ(error.system_errno, one.system_errno);
    EXPECT_EQ(error.text, std::string("cannot write /a/b: ") + std::strerror(one.system_errno));
  }
}

TEST(Status, EveryCodeHasItsOwnName) {
  std::set<std::string> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(Code::internal); ++i) {
    const std::string name = name_of(static_cast<Code>(i));
    EXPECT_NE(name, "unknown") << i;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_STREQ(name_of(Code::no_space), "no_space");
  EXPECT_STREQ(name_of(static_cast<Code>(200)), "unknown");
}

TEST(Status, FailMakesAnErrorOfAnyResult) {
  const Result<int> result = fail(Code::busy, "taken", EBUSY);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::busy);
  EXPECT_EQ(result.error().text, "taken");
  EXPECT_EQ(result.error().system_errno, EBUSY);
  const Result<> of_errno = fail_errno(ENOENT, "x");
  ASSERT_FALSE(of_errno);
  EXPECT_EQ(of_errno.error().code, Code::not_found);
}

}  // namespace
}  // namespace longhaul
