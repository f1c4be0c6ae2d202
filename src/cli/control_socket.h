// The control socket of a running command. A thread of its own answers; a slow or silent client holds up nobody, and
// the transfer knows nothing of it.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "cli/descriptor.h"
#include "cli/live_requests.h"
#include "longhaul/live.h"

namespace longhaul::cli {

class ControlSocket {
 public:
  /// Listens in `directory`, which is made if need be; sweeps away what dead processes have left there. `live` must
  /// outlive it. Errors: the directory cannot be made or is not ours alone; no socket.
  static Result<std::unique_ptr<ControlSocket>> open(Live& live, LiveAbout about, const std::string& directory);
  /// The socket is gone when this returns; a request that is being answered is waited for.
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct Client {
    Descriptor fd;
    std::string in;
    std::string out;
    bool ended = false;    ///< it asks nothing more
    bool closing = false;  ///< once `out` has gone
    double by_s = 0;       ///< closed then, unless it asks something before
  };

  ControlSocket(Live& live, LiveAbout about, std::string file)
      : live_(live), about_(std::move(about)), file_(std::move(file)) {}
  Result<> listen();
  void run();
  void wait();
  void accept_some();
  void step(Client& client);
  void read_some(Client& client);
  static void write_some(Client& client);
  [[nodiscard]] std::string answer(const std::string& line);

  Live& live_;
  LiveAbout about_;
  std::string file_;
  Descriptor listener_;
  Descriptor stop_;  ///< an eventfd: readable when the thread should end
  std::list<Client> clients_;
  std::thread thread_;
};

}  // namespace longhaul::cli
