#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "taskflow/redis_server.h"

namespace taskflow {

/** Which authorities are trusted, and the worker's own certificate. */
class TlsContext {
 public:
  /** @throws SettingsError for a file that holds none of what it should */
  explicit TlsContext(const RedisTls& files);

  SSL_CTX* get() const { return context_.get(); }

 private:
  struct Deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Deleter> context_;
};

/** TLS over one socket that does not block. The server's certificate must have the name or address that is given. */
class TlsSession {
 public:
  enum class Status { done, waits, closed, failed };
  struct Outcome {
    Status status;
    /** Bytes that were read or written, if done. */
    std::size_t count = 0;
  };

  TlsSession(const TlsContext& context, int socket, const std::string& host);

  Outcome handshake();
  Outcome read(char* bytes, std::size_t size);
  Outcome write(const char* bytes, std::size_t size);
  /** What waits, waits until it can write. Else until it can read. */
  bool wantsToWrite() const { return wantsToWrite_; }
  /** Why the last call failed. */
  std::string error() const;

 private:
  Outcome conclude(int result, std::size_t count);

  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Deleter> ssl_;
  bool wantsToWrite_ = false;
  std::string error_;
};

}  // namespace taskflow
