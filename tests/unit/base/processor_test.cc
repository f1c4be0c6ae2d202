#include "base/processor.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

TEST(Processor, SaysWhatItKnows) {
  EXPECT_EQ((Processor{.known = true, .vectors = "avx2", .aes = true, .sha = true}.text()), "avx2 aes sha");
  EXPECT_EQ(Processor().text(), "");
}

TEST(Processor, IsTheSameAtEachLook) {
  const Processor processor = this_processor();
  EXPECT_EQ(processor.known, !processor.vectors.empty());
  EXPECT_FALSE(processor.wide_aes && !processor.aes);
  EXPECT_EQ(processor.text(), this_processor().text());
}

}  // namespace
}  // namespace longhaul
