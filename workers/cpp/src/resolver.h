#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop.h"

namespace taskflow {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = 0;
};

struct Resolution {
  std::vector<Address> addresses;
  /** What went wrong, where there are none. */
  std::string error;
};

/**
 * Finds the addresses of a host. Names are looked up in a thread of their own: a name server that is away would hold up the
 * loop, and with it the leases of the other lane, for many seconds.
 *
 * @param done called in the loop's thread, after this returned
 */
void resolve(const std::shared_ptr<Inbox>& inbox, const std::string& host, int port,
             std::function<void(const Resolution&)> done);

}  // namespace taskflow
