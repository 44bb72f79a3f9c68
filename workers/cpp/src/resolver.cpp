#include "resolver.h"

#include <netdb.h>

#include <cstring>
#include <thread>

namespace taskflow {
namespace {

Resolution lookUp(const std::string& host, int port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first);
  if (status != 0) return {{}, gai_strerror(status)};
  Resolution resolution;
  for (const auto* info = first; info; info = info->ai_next) {
    Address address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = info->ai_addrlen;
    address.family = info->ai_family;
    resolution.addresses.push_back(address);
  }
  freeaddrinfo(first);
  return resolution;
}

}  // namespace

void resolve(const std::shared_ptr<Inbox>& inbox, const std::string& host, int port,
             std::function<void(const Resolution&)> done) {
  auto numeric = lookUp(host, port, AI_NUMERICHOST);
  if (!numeric.addresses.empty()) {
    inbox->post([done = std::move(done), numeric = std::move(numeric)] { done(numeric); });
    return;
  }
  std::thread([inbox, host, port, done = std::move(done)] {
    inbox->post([done, resolution = lookUp(host, port, 0)] { done(resolution); });
  }).detach();
}

}  // namespace taskflow
