#include "claim.h"

namespace taskflow {
namespace {

constexpr std::size_t fieldsOfClaim = 10;

std::int64_t toInteger(const std::string& text) { return std::stoll(text); }

}  // namespace

std::vector<Claim> parseClaims(const RedisReply& reply) {
  std::vector<Claim> claims;
  for (std::size_t i = 0; i + fieldsOfClaim <= reply.size(); i += fieldsOfClaim) {
    Claim claim;
    claim.id = reply[i].text();
    claim.token = reply[i + 1].text();
    claim.attempt = toInteger(reply[i + 2].text());
    claim.maxAttempts = toInteger(reply[i + 3].text());
    const auto timeout = reply[i + 4].text();
    if (!timeout.empty()) claim.timeout = Milliseconds(toInteger(timeout));
    claim.ownerId = reply[i + 5].text();
    claim.queue = reply[i + 6].text();
    claim.type = reply[i + 7].text();
    claim.payload = reply[i + 8].text();
    claim.parents = reply[i + 9].text();
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace taskflow
