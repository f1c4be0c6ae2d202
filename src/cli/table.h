// Rows of text for terminals.
#pragma once

#include <string>
#include <vector>

namespace longhaul::cli {

using Row = std::vector<std::string>;

/// Columns as wide as they must be; the last one as it comes. All rows have as many cells as the first.
[[nodiscard]] std::string table_of(const std::vector<Row>& rows);

}  // namespace longhaul::cli
