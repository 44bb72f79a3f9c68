#include "redis_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace taskflow {

namespace {

/** What a server answers that is not, or no longer, the one to talk to. */
bool saysWrongServer(const RedisReply& reply) {
  const auto error = reply.error();
  return error.starts_with("MOVED ") || error.starts_with("READONLY") || error.starts_with("UNBLOCKED");
}

}  // namespace

RedisConnection::RedisConnection(Loop& loop, std::shared_ptr<Route> route, Login login, Milliseconds connectTimeout,
                                 Listeners listeners)
    : loop_(loop),
      route_(std::move(route)),
      login_(std::move(login)),
      connectTimeout_(connectTimeout),
      listeners_(std::move(listeners)) {
  route_->follow(*this);
  // Later: what listens may not be ready to hear yet.
  reconnectTimer_ = loop_.after(Milliseconds(0), [this] { connect(); });
}

RedisConnection::~RedisConnection() { close(); }

void RedisConnection::send(const std::vector<std::string_view>& words, Milliseconds timeout, Callback callback) {
  if (state_ == State::ready) return write(words, timeout, std::move(callback));
  // Not at once: callers do not expect to be called back before this returned.
  loop_.after(Milliseconds(0), [callback = std::move(callback), isAlive = isAlive_] {
    if (*isAlive) callback(RedisReply::failure("Redis is away"));
  });
}

void RedisConnection::close() {
  *isAlive_ = false;
  route_->unfollow(*this);
  state_ = State::closed;
  pending_.clear();
  closeSocket();
  loop_.cancel(reconnectTimer_);
}

void RedisConnection::connect() {
  route_->find([this, isAlive = isAlive_](const std::optional<RedisAddress>& address, std::string_view error) {
    if (!*isAlive) return;
    if (!address) return breakOff(error);
    address_ = *address;
    resolve(loop_.inbox(), address_.host, address_.port, [this, isAlive](const Resolution& resolution) {
      if (*isAlive) connectTo(resolution);
    });
  });
}

void RedisConnection::connectTo(const Resolution& resolution) {
  if (resolution.addresses.empty()) return breakOff(resolution.error);
  const auto& address = resolution.addresses[nextAddress_++ % resolution.addresses.size()];
  socket_ = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return breakOff(std::strerror(errno));
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A subscriber hears nothing for hours: only this tells it that the other machine is gone.
  setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 &&
      errno != EINPROGRESS) {
    return breakOff(std::strerror(errno));
  }
  state_ = State::connecting;
  loop_.watch(socket_, *this);
  connectTimer_ = loop_.after(connectTimeout_, [this] { breakOff("connecting took too long"); });
}

void RedisConnection::onConnected() {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return breakOff(std::strerror(error));
  reader_.reset(redisReaderCreate());
  if (!reader_) throw std::bad_alloc();
  if (!login_.tls) return onSecured();
  state_ = State::securing;
  tls_ = std::make_unique<TlsSession>(*login_.tls, socket_, address_.host);
  shakeHands();
}

void RedisConnection::shakeHands() {
  const auto outcome = tls_->handshake();
  if (outcome.status == TlsSession::Status::done) onSecured();
  else conclude(outcome);
}

void RedisConnection::onSecured() {
  if (login_.password) return logIn();
  becomeReady();
}

void RedisConnection::logIn() {
  state_ = State::loggingIn;
  std::vector<std::string_view> words{"AUTH"};
  if (login_.username) words.push_back(*login_.username);
  words.push_back(*login_.password);
  write(words, connectTimeout_, [this](const RedisReply& reply) {
    if (reply.failed()) return breakOff(reply.error());
    becomeReady();
  });
}

void RedisConnection::becomeReady() {
  loop_.cancel(connectTimer_);
  state_ = State::ready;
  backoff_.reset();
  listeners_.onReady();
}

void RedisConnection::write(const std::vector<std::string_view>& words, Milliseconds timeout, Callback callback) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  for (const auto word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* command = nullptr;
  const auto length =
      redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), lengths.data());
  if (length < 0) throw std::bad_alloc();
  out_.append(command, static_cast<std::size_t>(length));
  redisFreeCommand(command);
  pending_.push_back({std::move(callback), Clock::now() + timeout});
  if (pending_.size() == 1) watchDeadline();
}

/** What was written in the same turn goes out together. */
void RedisConnection::onWritable() {
  if (state_ == State::connecting) return onConnected();
  if (state_ == State::securing) return shakeHands();
  flush();
}

bool RedisConnection::wantsToWrite() const {
  if (state_ == State::connecting) return true;
  if (state_ == State::securing) return tls_->wantsToWrite();
  return !out_.empty();
}

void RedisConnection::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const auto count = transmit(out_.data() + sent, out_.size() - sent);
    if (socket_ < 0) return;
    if (count < 0) break;
    sent += static_cast<std::size_t>(count);
  }
  out_.erase(0, sent);
}

ssize_t RedisConnection::transmit(const char* bytes, std::size_t size) {
  if (tls_) return conclude(tls_->write(bytes, size));
  for (;;) {
    const auto count = ::send(socket_, bytes, size, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) breakOff(std::strerror(errno));
    return -1;
  }
}

ssize_t RedisConnection::receive(char* bytes, std::size_t size) {
  if (tls_) return conclude(tls_->read(bytes, size));
  for (;;) {
    const auto count = recv(socket_, bytes, size, 0);
    if (count > 0) return count;
    if (count == 0) {
      breakOff("Redis closed the connection");
      return -1;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) breakOff(std::strerror(errno));
    return -1;
  }
}

ssize_t RedisConnection::conclude(const TlsSession::Outcome& outcome) {
  using Status = TlsSession::Status;
  if (outcome.status == Status::done) return static_cast<ssize_t>(outcome.count);
  if (outcome.status == Status::closed) breakOff("Redis closed the connection");
  if (outcome.status == Status::failed) breakOff(tls_->error());
  return -1;
}

void RedisConnection::onReadable() {
  if (state_ == State::connecting) return onConnected();
  if (state_ == State::securing) return shakeHands();
  // All that is there: after a pause of this process, answers that came long ago must not look late.
  while (socket_ >= 0) {
    char bytes[64 * 1024];
    const auto count = receive(bytes, sizeof bytes);
    if (count < 0) return;
    redisReaderFeed(reader_.get(), bytes, static_cast<std::size_t>(count));
    readReplies();
  }
}

void RedisConnection::readReplies() {
  while (reader_) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) return breakOff(std::string(reader_->errstr));
    if (!raw) return;
    const std::unique_ptr<redisReply, void (*)(redisReply*)> reply(static_cast<redisReply*>(raw),
                                                                  [](redisReply* each) { freeReplyObject(each); });
    handle(*reply);
  }
}

void RedisConnection::handle(const redisReply& raw) {
  const RedisReply reply(&raw);
  if (reply.size() == 3 && reply[0].text() == "message") {
    return listeners_.onMessage(reply[1].text(), reply[2].text());
  }
  // Subscribing to several channels is answered once a channel.
  if (pending_.empty()) return;
  const auto callback = std::move(pending_.front().callback);
  pending_.pop_front();
  watchDeadline();
  const bool isWrongServer = reply.failed() && route_->isToPrimary() && saysWrongServer(reply);
  callback(reply);
  if (isWrongServer && isOpen()) breakOff("it is not the primary");
}

/** Answers come in order: only the first one that is missing needs to be watched. */
void RedisConnection::watchDeadline() {
  loop_.cancel(deadlineTimer_);
  if (pending_.empty()) return;
  const auto left = std::chrono::ceil<Milliseconds>(pending_.front().deadline - Clock::now());
  deadlineTimer_ = loop_.after(std::max(left, Milliseconds(0)), [this] { breakOff("Redis did not answer in time"); });
}

void RedisConnection::breakOff(std::string_view reason) {
  // It may be kept by what is closed now.
  const std::string why(reason);
  closeSocket();
  loop_.cancel(reconnectTimer_);
  state_ = State::away;
  reconnectTimer_ = loop_.after(backoff_.next(), [this] { connect(); });
  listeners_.onFailure(why);
  for (auto& pending : std::exchange(pending_, {})) {
    if (state_ != State::closed) pending.callback(RedisReply::failure(why));
  }
}

void RedisConnection::closeSocket() {
  loop_.cancel(connectTimer_);
  loop_.cancel(deadlineTimer_);
  if (socket_ < 0) return;
  loop_.unwatch(socket_);
  tls_.reset();
  ::close(socket_);
  socket_ = -1;
  reader_.reset();
  out_.clear();
}

}  // namespace taskflow
