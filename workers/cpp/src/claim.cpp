#include "claim.h"

#include <map>
#include <sstream>

namespace taskflow {
namespace {

constexpr std::size_t fieldsOfClaim = 10;

std::int64_t toInteger(const std::string& text) { return std::stoll(text); }

/** @param text a line for each task that is traced: its id, a tab, its traceparent */
std::map<std::string, std::string> parseTraces(const std::string& text) {
  std::map<std::string, std::string> traces;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto tab = line.find('\t');
    if (tab != std::string::npos) traces[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return traces;
}

}  // namespace

std::vector<Claim> parseClaims(const RedisReply& reply) {
  std::vector<Claim> claims;
  const auto hasTraces = reply.size() % fieldsOfClaim == 1;
  const auto traces = hasTraces ? parseTraces(reply[reply.size() - 1].text()) : std::map<std::string, std::string>();
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
    if (const auto trace = traces.find(claim.id); trace != traces.end()) claim.traceparent = trace->second;
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace taskflow
