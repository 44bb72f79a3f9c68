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

RedisConnection::RedisConnection(Loop& loop, RedisServer server, Milliseconds connectTimeout, Listeners listeners)
    : loop_(loop), server_(std::move(server)), connectTimeout_(connectTimeout), listeners_(std::move(listeners)) {
  connect();
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
  state_ = State::closed;
  pending_.clear();
  closeSocket();
  loop_.cancel(reconnectTimer_);
}

void RedisConnection::connect() {
  resolve(loop_.inbox(), server_.host, server_.port, [this, isAlive = isAlive_](const Resolution& resolution) {
    if (*isAlive) connectTo(resolution);
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
  if (server_.password) return logIn();
  becomeReady();
}

void RedisConnection::logIn() {
  state_ = State::loggingIn;
  std::vector<std::string_view> words{"AUTH"};
  if (server_.username) words.push_back(*server_.username);
  words.push_back(*server_.password);
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
  flush();
}

void RedisConnection::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const auto count = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return breakOff(std::strerror(errno));
    }
    sent += static_cast<std::size_t>(count);
  }
  out_.erase(0, sent);
}

void RedisConnection::onReadable() {
  if (state_ == State::connecting) return onConnected();
  // All that is there: after a pause of this process, answers that came long ago must not look late.
  while (socket_ >= 0) {
    char bytes[64 * 1024];
    const auto count = recv(socket_, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (count < 0) return breakOff(std::strerror(errno));
    if (count == 0) return breakOff("Redis closed the connection");
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
  callback(reply);
}

/** Answers come in order: only the first one that is missing needs to be watched. */
void RedisConnection::watchDeadline() {
  loop_.cancel(deadlineTimer_);
  if (pending_.empty()) return;
  const auto left = std::chrono::ceil<Milliseconds>(pending_.front().deadline - Clock::now());
  deadlineTimer_ = loop_.after(std::max(left, Milliseconds(0)), [this] { breakOff("Redis did not answer in time"); });
}

void RedisConnection::breakOff(std::string_view why) {
  closeSocket();
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
  ::close(socket_);
  socket_ = -1;
  reader_.reset();
  out_.clear();
}

}  // namespace taskflow
