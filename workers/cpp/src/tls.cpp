#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <cerrno>
#include <cstring>
#include <new>

#include "taskflow/settings.h"

namespace taskflow {
namespace {

std::string nextError() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return errno != 0 ? std::strerror(errno) : "the TLS connection was cut";
  const auto* reason = ERR_reason_error_string(code);
  return reason ? reason : "TLS error " + std::to_string(code);
}

bool isAddress(const std::string& host) {
  in6_addr bytes{};
  return inet_pton(AF_INET, host.c_str(), &bytes) == 1 || inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
}

}  // namespace

TlsContext::TlsContext(const RedisTls& files) : context_(SSL_CTX_new(TLS_client_method())) {
  if (!context_) throw std::bad_alloc();
  auto* context = context_.get();
  // OpenSSL writes to its sockets without a way to say that a broken one must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const auto check = [](int result, const std::string& file) {
    if (result != 1) throw SettingsError(file + ": is no PEM with what is needed: " + nextError());
  };
  if (files.caFile) check(SSL_CTX_load_verify_locations(context, files.caFile->c_str(), nullptr), *files.caFile);
  else SSL_CTX_set_default_verify_paths(context);
  if (files.certFile && files.keyFile) {
    check(SSL_CTX_use_certificate_chain_file(context, files.certFile->c_str()), *files.certFile);
    check(SSL_CTX_use_PrivateKey_file(context, files.keyFile->c_str(), SSL_FILETYPE_PEM), *files.keyFile);
  }
}

TlsSession::TlsSession(const TlsContext& context, int socket, const std::string& host) : ssl_(SSL_new(context.get())) {
  if (!ssl_ || SSL_set_fd(ssl_.get(), socket) != 1) throw std::bad_alloc();
  SSL_set_connect_state(ssl_.get());
  if (isAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set1_host(ssl_.get(), host.c_str());
  }
}

TlsSession::Outcome TlsSession::handshake() {
  ERR_clear_error();
  return conclude(SSL_do_handshake(ssl_.get()), 0);
}

TlsSession::Outcome TlsSession::read(char* bytes, std::size_t size) {
  ERR_clear_error();
  std::size_t count = 0;
  const auto result = SSL_read_ex(ssl_.get(), bytes, size, &count);
  return conclude(result, count);
}

TlsSession::Outcome TlsSession::write(const char* bytes, std::size_t size) {
  ERR_clear_error();
  std::size_t count = 0;
  const auto result = SSL_write_ex(ssl_.get(), bytes, size, &count);
  return conclude(result, count);
}

std::string TlsSession::error() const { return error_; }

TlsSession::Outcome TlsSession::conclude(int result, std::size_t count) {
  wantsToWrite_ = false;
  if (result == 1) return {Status::done, count};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_WRITE:
      wantsToWrite_ = true;
      return {Status::waits};
    case SSL_ERROR_WANT_READ:
      return {Status::waits};
    case SSL_ERROR_ZERO_RETURN:
      return {Status::closed};
    default:
      error_ = nextError();
      if (const auto verified = SSL_get_verify_result(ssl_.get()); verified != X509_V_OK) {
        error_ = std::string("the server's certificate: ") + X509_verify_cert_error_string(verified);
      }
      return {Status::failed};
  }
}

}  // namespace taskflow
