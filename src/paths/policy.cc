#include "paths/policy.h"

#include <algorithm>

namespace longhaul::paths {
namespace {

bool has(Tags tags, const std::string& tag) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

void add(std::string& words, const std::string& tag, const char* fate) {
  if (!words.empty()) words += ", ";
  words += "the tag '" + tag + "' is " + fate;
}

}  // namespace

bool permits(Tags require, Tags forbid, Tags tags) {
  const auto tagged = [&](const std::string& tag) { return has(tags, tag); };
  return std::all_of(require.begin(), require.end(), tagged) && std::none_of(forbid.begin(), forbid.end(), tagged);
}

std::string why_excluded(Tags require, Tags forbid, Tags tags) {
  std::string words;
  for (const std::string& tag : forbid)
    if (has(tags, tag)) add(words, tag, "forbidden");
  for (const std::string& tag : require)
    if (!has(tags, tag)) add(words, tag, "required and missing");
  return words;
}

}  // namespace longhaul::paths
