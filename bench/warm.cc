// Keeps memory warm while a bench runs: touches BYTES, gives all but one page per MiB back, and stays until its
// standard input ends. Where a hypervisor takes free blocks of 2 MiB back, their next first touch costs a fault of the
// host, several times as much as all that a transfer does; with one page in every MiB held, no block is whole and none
// is taken.
//
//   warm BYTES        prints "ready" when done

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  const std::size_t page_bytes = 4096;
  const std::size_t block_bytes = 1024 * 1024;
  const std::size_t bytes = argc == 2 ? std::strtoull(argv[1], nullptr, 10) / block_bytes * block_bytes : 0;
  if (bytes == 0) {
    std::fputs("usage: warm BYTES (1 MiB or more)\n", stderr);
    return 2;
  }
  void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // Huge pages would go back only as a whole.
  if (mapped == MAP_FAILED || madvise(mapped, bytes, MADV_NOHUGEPAGE) != 0) {
    std::perror("warm");
    return 1;
  }
  auto* const memory = static_cast<char*>(mapped);
  for (std::size_t at = 0; at < bytes; at += page_bytes) memory[at] = 1;
  for (std::size_t at = 0; at < bytes; at += block_bytes) {
    if (madvise(memory + at + page_bytes, block_bytes - page_bytes, MADV_DONTNEED) != 0) std::perror("warm");
  }
  std::puts("ready");
  std::fflush(stdout);
  char ignored = 0;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  return 0;
}
