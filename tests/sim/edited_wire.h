// A Wire on which whole messages and frames that go out may be edited: doubled, dropped, replaced.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "protocol/frame.h"
#include "wire/wire.h"

namespace longhaul::sim {

class EditedWire final : public wire::Wire {
 public:
  /// Gets a message or frame with its prefix, and appends to `out` what shall go out instead.
  using Edit = std::function<void(protocol::Type type, ConstBytes unit, std::vector<std::byte>& out)>;
  EditedWire(wire::Wire& under, Edit edit) : under_(under), edit_(std::move(edit)) {}
  [[nodiscard]] bool edits() const { return static_cast<bool>(edit_); }
  Result<std::unique_ptr<wire::Connection>> dial(const wire::DialOptions& options) override;
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address) override { return under_.listen(address); }
  std::vector<wire::OwnAddress> own_addresses() override { return under_.own_addresses(); }

 private:
  wire::Wire& under_;
  Edit edit_;
};

}  // namespace longhaul::sim
