// Asking libfabric for a provider that can do what we need: reliable endpoints with one-sided writes. Only for files of
// this folder that are built with libfabric's headers.
#pragma once

#include <string>
#include <string_view>

#include "longhaul/fabric.h"
#include "longhaul/status.h"
#include "wire/fabric/library.h"

namespace longhaul::wire::fabric {

/// All places where `wish.provider` (not empty) has what we need, the best first. Errors (unsupported): what is
/// missing, and what would help.
[[nodiscard]] Result<Info> look_up(const Library& library, const FabricWish& wish);

/// What one of them says of itself.
[[nodiscard]] FabricPlace place_of(const fi_info& info);

/// Of all providers that are worth a look, or of the one that is asked for.
[[nodiscard]] FabricReport probe_with(const Library& library, const FabricWish& wish);

/// "Connection refused", of a negative or positive error of libfabric.
[[nodiscard]] std::string words_of(const Library& library, long error);

}  // namespace longhaul::wire::fabric
