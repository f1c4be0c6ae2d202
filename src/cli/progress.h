// Progress for people, on stderr: one live block on a terminal, a plain line now and then elsewhere.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/transfer.h"
#include "longhaul/verify.h"

namespace longhaul::cli {

struct TerminalSize {
  unsigned columns = 80;
  unsigned rows = 24;
};

/// The live block: totals, a line per path as far as `rows` allow, what limits now. No line is wider than the terminal.
[[nodiscard]] std::vector<std::string> progress_block(const Report& report, TerminalSize size);
/// The same in one line, without line end.
[[nodiscard]] std::string progress_line(const Report& report);
[[nodiscard]] std::string verify_line(const VerifyReport& report);

/// Draws. Called from one thread at a time.
class ProgressView {
 public:
  enum class Loudness { quiet, normal, verbose };
  struct Setup {
    Loudness loudness = Loudness::normal;
    bool live = false;  ///< redraw in place
    std::function<TerminalSize()> size;
    std::function<double()> now_s;  ///< any steady clock
    std::function<void(std::string_view)> print;
  };
  explicit ProgressView(Setup setup) : setup_(std::move(setup)) {}

  /// Shows an event of a transfer. Ticket and done are shown by whoever has them whole.
  void show(const Event& event);
  void show(const VerifyReport& report);
  /// Prints a line above the block, which comes back with the next progress. Not when quiet.
  void say(std::string_view line);
  /// Takes the block off the screen.
  void clear();

 private:
  /// What takes the block off the screen, when printed; forgets the block.
  std::string take_off();
  void draw(const std::vector<std::string>& block);
  void draw_plain(const std::string& line);

  Setup setup_;
  std::vector<std::string> drawn_;  ///< the block on the screen
  double plain_due_s_ = 0;
};

/// What stderr is: a terminal that can be redrawn, with us in its foreground; and how large.
[[nodiscard]] bool stderr_is_live();
[[nodiscard]] TerminalSize stderr_size();

}  // namespace longhaul::cli
