// Ctrl-C and its relatives.
#pragma once

#include "longhaul/transfer.h"

namespace longhaul::cli {

/// From here on SIGINT, SIGTERM and SIGHUP set `stop` to 1; a second one sets 2 and ends the process with 130 at once.
/// SIGPIPE is ignored; so stays a SIGHUP that was ignored before (nohup). `stop` must outlive the process's threads.
void install_signal_handlers(StopFlag& stop);

}  // namespace longhaul::cli
