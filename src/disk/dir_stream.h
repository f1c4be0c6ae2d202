// Reading a directory of this machine in bounded memory. Inside this folder only.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "disk/disk.h"

namespace longhaul::disk {

/// `directory`: opened for this stream alone, at the position to begin at. `name`: for messages.
std::unique_ptr<DirStream> make_dir_stream(Fd directory, std::string name);

}  // namespace longhaul::disk
