#include "protocol/entry.h"

#include <utility>

namespace longhaul::protocol {
namespace {

Entry::Type type_to_wire(EntryType type) {
  switch (type) {
    case EntryType::file:
      return Entry::FILE;
    case EntryType::directory:
      return Entry::DIRECTORY;
    case EntryType::symlink:
      return Entry::SYMLINK;
    case EntryType::hard_link:
      return Entry::HARD_LINK;
    case EntryType::special:
      return Entry::SPECIAL;
    case EntryType::mention:
      return Entry::MENTION;
  }
  return Entry::FILE;
}

EntryType type_from_wire(Entry::Type type) {
  switch (type) {
    case Entry::DIRECTORY:
      return EntryType::directory;
    case Entry::SYMLINK:
      return EntryType::symlink;
    case Entry::HARD_LINK:
      return EntryType::hard_link;
    case Entry::SPECIAL:
      return EntryType::special;
    case Entry::MENTION:
      return EntryType::mention;
    default:
      return EntryType::file;
  }
}

// The two enumerations have the same numbers.
Special::Kind kind_to_wire(longhaul::Special::Kind kind) {
  return static_cast<Special::Kind>(kind);
}

longhaul::Special special_from_wire(const Special& from) {
  longhaul::Special special{.kind = longhaul::Special::Kind::pipe, .major = from.major(), .minor = from.minor()};
  if (Special::Kind_IsValid(from.kind())) special.kind = static_cast<longhaul::Special::Kind>(from.kind());
  return special;
}

}  // namespace

std::size_t attribute_bytes(const longhaul::Entry& entry) {
  std::size_t bytes = 0;
  if (entry.attributes)
    for (const longhaul::Attribute& each : entry.attributes->list) bytes += each.name.size() + each.value.size();
  return bytes;
}

Entry to_wire(const longhaul::Entry& entry) {
  Entry out;
  out.set_type(type_to_wire(entry.type));
  out.set_path(entry.path);
  if (!entry.link_target.empty()) out.set_link_target(entry.link_target);
  out.set_size(entry.size);
  out.set_size_unknown(!entry.size_known);
  out.set_mode(entry.mode);
  out.set_mtime_ns(entry.mtime_ns);
  out.set_ctime_ns(entry.identity.ctime_ns);
  out.set_inode(entry.identity.inode);
  out.set_device(entry.identity.device);
  out.set_sparse(entry.sparse);
  out.set_content(entry.content);
  if (entry.owner) {
    out.mutable_owner()->set_user(entry.owner->user);
    out.mutable_owner()->set_group(entry.owner->group);
    out.mutable_owner()->set_user_name(entry.owner->user_name);
    out.mutable_owner()->set_group_name(entry.owner->group_name);
  }
  if (entry.attributes) {
    out.mutable_attributes()->set_extended(entry.attributes->extended);
    out.mutable_attributes()->set_acls(entry.attributes->acls);
    for (const longhaul::Attribute& each : entry.attributes->list) {
      Attribute& added = *out.mutable_attributes()->add_list();
      added.set_name(each.name);
      added.set_value(each.value);
    }
  }
  if (entry.special) {
    out.mutable_special()->set_kind(kind_to_wire(entry.special->kind));
    out.mutable_special()->set_major(entry.special->major);
    out.mutable_special()->set_minor(entry.special->minor);
  }
  return out;
}

longhaul::Entry from_wire(Entry from) {
  longhaul::Entry entry;
  entry.type = type_from_wire(from.type());
  entry.path = std::move(*from.mutable_path());
  if (!from.link_target().empty())  // else one would be made, to be moved
    entry.link_target = std::move(*from.mutable_link_target());
  entry.size = from.size();
  entry.size_known = !from.size_unknown();
  entry.sparse = from.sparse();
  entry.content = from.content();
  entry.mode = from.mode();
  entry.mtime_ns = from.mtime_ns();
  entry.identity = {from.ctime_ns(), from.inode(), from.device()};
  if (from.has_owner()) {
    Owner& owner = *from.mutable_owner();
    entry.owner = longhaul::Owner{owner.user(), owner.group(), std::move(*owner.mutable_user_name()),
                                  std::move(*owner.mutable_group_name())};
  }
  if (from.has_attributes()) {
    Attributes& attributes = *from.mutable_attributes();
    entry.attributes = longhaul::Attributes{attributes.extended(), attributes.acls(), {}};
    for (Attribute& each : *attributes.mutable_list())
      entry.attributes->list.push_back({std::move(*each.mutable_name()), std::move(*each.mutable_value())});
  }
  if (from.has_special()) entry.special = special_from_wire(from.special());
  return entry;
}

}  // namespace longhaul::protocol
