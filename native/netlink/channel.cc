#include "netlink/channel.h"

#include <cerrno>
#include <utility>

namespace netlink {

namespace {

// Limits of one send. The kernel writes all replies before the send returns, so they must fit the receive buffer: 64
// replies of one page each do.
constexpr uint32_t kWindowMessages = 64;
constexpr size_t kWindowBytes = 32 * 1024;

const Failure kCancelled{ECANCELED, "cancelled"};
const Failure kOverrun{ENOBUFS, "the kernel's reply did not fit the receive buffer"};

void ChangeFlag(Batch& batch, uint32_t index, uint16_t flag, bool on) {
  std::byte* const at = &batch.bytes[batch.offsets[index] + offsetof(nlmsghdr, nlmsg_flags)];
  uint16_t flags = 0;
  std::memcpy(&flags, at, sizeof flags);
  flags = static_cast<uint16_t>(on ? flags | flag : flags & ~flag);
  std::memcpy(at, &flags, sizeof flags);
}

// Number of receives before other sockets get their turn.
constexpr int kBurst = 16;

}  // namespace

Channel::~Channel() {
  pumping_ = true;  // the loop below cancels what a callback submits now
  Unwatch();
  if (active_) {
    EndOutstanding({ECANCELED, ""});
    Finish();
  }
  while (!queue_.empty()) {
    Exchange exchange = std::move(queue_.front());
    queue_.pop_front();
    exchange.on_done(std::vector(exchange.batch.size(), Failure{ECANCELED, ""}));
  }
}

void Channel::Submit(Exchange exchange) {
  const Failure& failure = exchange.batch.failure;
  if (failure) return exchange.on_done(std::vector(exchange.batch.size(), failure));
  queue_.push_back(std::move(exchange));
  Pump();
}

void Channel::Cancel(uint32_t tag) {
  if (active_ && current_.tag == tag) cancelled_ = true;
  for (auto it = queue_.begin(); it != queue_.end(); ++it) {
    if (it->tag != tag) continue;
    Exchange exchange = std::move(*it);
    queue_.erase(it);
    exchange.on_done(std::vector(exchange.batch.size(), kCancelled));
    return;
  }
}

// Only an exchange whose replies have not all arrived waits for the socket. Every request is answered within its send,
// so this is rare, and a socket that is watched would wake a second thread for each reply.
Failure Channel::Watch() {
  if (watching_) return {};
  Failure failure = strand_.Watch(socket_.fd(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Pump();
    return Rest::kNone;
  });
  watching_ = !failure;
  return failure;
}

void Channel::Unwatch() {
  if (watching_) strand_.Unwatch(socket_.fd());
  watching_ = false;
}

// Drops what no exchange expects: datagrams of other processes, the rest of an abandoned reply, and the overrun that
// they may have caused.
void Channel::Drain() {
  for (int i = 0; i < kBurst; ++i) {
    const int count = socket_.Receive(strand_.buffers());
    if (count < 0 && count != -ENOBUFS) return;
  }
}

void Channel::Pump() {
  if (pumping_) return;  // a callback submitted the next exchange: the loop below takes it
  const auto self = shared_from_this();
  pumping_ = true;
  for (int burst = 0;; ++burst) {
    if (!active_) {
      if (queue_.empty()) break;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      active_ = true;
      outcomes_.assign(current_.batch.size(), {});
      answered_.assign(current_.batch.size(), false);
      sequence_ = std::exchange(next_sequence_, next_sequence_ + current_.batch.size());
      sent_ = outstanding_ = 0;
      overrun_ = cancelled_ = false;
      if (used_) Drain();
      used_ = true;
    }
    if (outstanding_ == 0) {
      if (cancelled_) {
        EndOutstanding(kCancelled);
        // A dump cannot be aborted. Its success is reported as ECANCELED, so that its caller does not continue.
        if (current_.dump) outcomes_[0] = kCancelled;
      }
      if (sent_ == current_.batch.size()) {
        Finish();
        continue;
      }
      SendWindow();
      continue;
    }
    if (burst >= kBurst) {
      Unwatch();
      strand_.Post([weak = weak_from_this()] {
        if (const auto channel = weak.lock()) channel->Pump();
      });
      break;
    }
    if (ReceiveSome()) continue;
    const Failure failure = Watch();
    if (!failure) break;
    EndOutstanding(failure);
  }
  pumping_ = false;
}

void Channel::SendWindow() {
  Batch& batch = current_.batch;
  const uint32_t first = sent_;
  const size_t start = batch.offsets[first];
  size_t end = start;
  while (sent_ < batch.size() && sent_ - first < kWindowMessages && (sent_ == first || end - start < kWindowBytes)) {
    const uint32_t sequence = sequence_ + sent_;
    std::memcpy(&batch.bytes[batch.offsets[sent_] + offsetof(nlmsghdr, nlmsg_seq)], &sequence, sizeof sequence);
    if (current_.terse) ChangeFlag(batch, sent_, NLM_F_ACK, false);
    ++sent_;
    end = sent_ < batch.size() ? batch.offsets[sent_] : batch.bytes.size();
  }
  if (current_.terse) ChangeFlag(batch, sent_ - 1, NLM_F_ACK, true);
  outstanding_ = sent_ - first;
  if (const Failure failure = socket_.Send(View(batch.bytes).subspan(start, end - start))) EndOutstanding(failure);
}

// Returns false if there is nothing to receive now.
bool Channel::ReceiveSome() {
  ReceiveBuffers& buffers = strand_.buffers();
  const int count = socket_.Receive(buffers);
  if (count == -ENOBUFS) {
    // A reply did not fit. The replies that did fit are read next; the other outcomes are unknown.
    overrun_ = true;
    return true;
  }
  if (count < 0 && count != -EAGAIN) {
    EndOutstanding({-count, "receive"});
    return true;
  }
  if (count <= 0) {
    if (!overrun_) return false;
    EndOutstanding(kOverrun);
    return true;
  }
  for (int i = 0; i < count; ++i) {
    if (!buffers.FromKernel(i)) continue;
    MessageReader reader(buffers.datagram(i));
    Message message;
    while (reader.Next(message)) Handle(message);
    if (reader.malformed() || buffers.truncated(i)) EndOutstanding({EBADMSG, "malformed reply"});
  }
  return true;
}

void Channel::Handle(const Message& message) {
  const uint32_t index = message.header.nlmsg_seq - sequence_;
  if (!active_ || index >= sent_ || answered_[index]) return;  // belongs to an abandoned exchange
  // The table changed during the dump. The records that follow are still valid.
  if ((message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) outcomes_[index].message = "interrupted";
  const bool acknowledged = message.header.nlmsg_type == NLMSG_ERROR;
  if (!acknowledged && message.header.nlmsg_type != NLMSG_DONE) {
    if (message.header.nlmsg_type >= NLMSG_MIN_TYPE) current_.on_reply(message);
    return;
  }
  if (acknowledged) {
    const auto result = ReadAcknowledgement(message);
    outcomes_[index] = result ? Failure{result->code, result->message} : Failure{EBADMSG, "malformed acknowledgement"};
  } else if (const auto code = ReadAt<int>(message.payload); code && *code < 0 && *code >= -4095) {
    outcomes_[index].code = -*code;
  }
  answered_[index] = true;
  --outstanding_;
  if (!current_.terse || index + 1 != sent_) return;
  // The last request of the window is answered: all errors of earlier requests have arrived, unless one was lost.
  for (uint32_t i = 0; i < sent_; ++i) {
    if (!answered_[i] && overrun_) outcomes_[i] = kOverrun;
    answered_[i] = true;
  }
  outstanding_ = 0;
}

void Channel::EndOutstanding(const Failure& failure) {
  for (uint32_t i = 0; i < answered_.size(); ++i) {
    if (answered_[i]) continue;
    answered_[i] = true;
    outcomes_[i] = failure;
  }
  outstanding_ = 0;
  sent_ = current_.batch.size();
}

void Channel::Finish() {
  Unwatch();
  active_ = false;
  const auto on_done = std::move(current_.on_done);
  current_ = {};
  on_done(std::exchange(outcomes_, {}));
}

}  // namespace netlink
