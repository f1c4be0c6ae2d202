#include "cli/run.h"

int main(int argc, char** argv) {
  return longhaul::cli::run_main(argc, argv);
}
