// Parallel long-haul paths between two network namespaces, for tests: README.md tells how to drive it.
//
//   wanlab < COMMANDS
//
// stdin: the lab's settings, one a line (lab.h), an empty line, then commands, one a line. stdout: `ready NETWORK
// NETWORK` when the paths are up, then one line for each command: `ok`, figures as JSON, or `error WORDS`. The lab ends
// with stdin.
#include <exception>
#include <iostream>
#include <sstream>
#include <string>

#include "lab.h"

namespace longhaul::lab {
namespace {

/// The lines up to an empty one.
std::string read_head() {
  std::string head, line;
  while (std::getline(std::cin, line) && !line.empty()) head += line + "\n";
  return head;
}

int run() {
  std::istringstream head(read_head());
  Lab lab(read_settings(head));
  const auto [source, target] = lab.networks();
  std::cout << "ready " << source << " " << target << '\n' << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << lab.command(line) << '\n' << std::flush;
    } catch (const LabError& error) {
      std::cout << "error " << error.what() << '\n' << std::flush;
    }
  }
  return 0;
}

}  // namespace
}  // namespace longhaul::lab

int main() {
  try {
    return longhaul::lab::run();
  } catch (const std::exception& error) {
    std::cout << "error " << error.what() << '\n' << std::flush;
    return 1;
  }
}
