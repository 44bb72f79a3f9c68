#include "outbox.h"

#include <iterator>
#include <memory>

namespace taskflow {
namespace {

/** More gain nothing (measured), and one call must not block Redis for long. */
constexpr std::size_t maxBatchEntries = 500;
constexpr std::size_t maxBatchBytes = 4 * 1024 * 1024;
/** An id, a token and the lengths between them. */
constexpr std::size_t fenceBytes = 80;

std::size_t bytesOf(const Outbox::Entry& entry) {
  auto bytes = fenceBytes;
  for (const auto& arg : entry.args) bytes += arg.size();
  return bytes;
}

}  // namespace

void Outbox::add(Entry entry) {
  entries_.push_back(std::move(entry));
  if (state_ != State::empty) return;
  state_ = State::scheduled;
  loop_.after(Milliseconds(0), [this] { flush(); });
}

void Outbox::flush() {
  auto batch = std::make_shared<Entries>();
  while (batch->empty() && !entries_.empty() && !isClosed_) *batch = takeBatch();
  if (batch->empty()) {
    state_ = State::empty;
    return options_.onStep("");
  }
  state_ = State::sending;
  options_.send(*batch, [this, batch](const Result& result) { onSent(*batch, result); });
}

void Outbox::onSent(Entries& batch, const Result& result) {
  if (result.error.empty()) {
    backoff_.reset();
    options_.onAccepted(batch, result.lostIds);
    if (!entries_.empty()) options_.onStep("");
    return flush();
  }
  std::move(entries_.begin(), entries_.end(), std::back_inserter(batch));
  entries_ = std::move(batch);
  state_ = State::backingOff;
  loop_.after(backoff_.next(), [this] { flush(); });
  options_.onStep(result.error);
}

Outbox::Entries Outbox::takeBatch() {
  Entries batch;
  Entries dropped;
  std::size_t bytes = 0;
  auto end = entries_.begin();
  for (; end != entries_.end() && batch.size() < maxBatchEntries; ++end) {
    if (!batch.empty() && bytes + bytesOf(*end) > maxBatchBytes) break;
    bytes += bytesOf(*end);
    (end->attempt->isLost() ? dropped : batch).push_back(std::move(*end));
  }
  entries_.erase(entries_.begin(), end);
  if (!dropped.empty()) options_.onDropped(dropped);
  return batch;
}

}  // namespace taskflow
