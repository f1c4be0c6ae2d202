// One message of every kind with every field set, as the golden files have them.
#pragma once

#include <optional>
#include <string>

#include "protocol/message.h"

namespace longhaul::protocol::test {

struct Sample {
  std::string name;  ///< of its golden file
  Message message;
};

/// Nothing for numbers that are no kind of message.
std::optional<Sample> sample_of(int kind);

}  // namespace longhaul::protocol::test
