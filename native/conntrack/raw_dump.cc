#include "conntrack/raw_dump.h"

#include <poll.h>

#include <cerrno>
#include <chrono>

namespace conntrack {

using netlink::Failure;
using netlink::Message;
using netlink::MessageReader;
using netlink::MessageWriter;

namespace {

// The space that a receive needs: the kernel fills the datagrams of a dump up to 32 KiB, and a larger one is an error.
constexpr size_t kDatagram = 64 * 1024;

// Number of datagrams, and time, before other work gets its turn.
constexpr int kReceives = 64;
constexpr std::chrono::milliseconds kTurn{5};

// A dump continues inside the receive, so a datagram is normally available at once. Otherwise kPause is the wait within
// one turn, and kPatience is the time after which the dump fails.
constexpr int kPause = 1;  // ms
constexpr std::chrono::seconds kPatience{1};

}  // namespace

Failure RawDump::Fill(RawPiece& piece) {
  piece.Clear();
  if (!started_) {
    if (Failure failure = Start()) return failure;
  }
  const auto begin = Clock::now();
  if (!idle_) last_ = begin;  // does not count a pause of the caller as a delay of the kernel
  idle_ = false;
  for (int i = 0; !ended_ && !idle_ && RawPiece::kSize - piece.used_ >= kDatagram && i < kReceives; ++i) {
    if (i > 0 && Clock::now() - begin >= kTurn) break;
    Failure failure = Receive(piece);
    if (!failure && !stale_ && buckets_.Read() != buckets_before_) {
      stale_ = true;
      failure = {EINTR, "the number of buckets changed"};
    }
    if (failure) {
      ended_ = true;
      piece.used_ = 0;
      return failure;
    }
    if (!stale_) continue;
    piece.used_ = 0;
    if (under_way_) continue;
    if (Failure unstarted = Start()) return unstarted;
  }
  return {};
}

void RawDump::Restart() {
  ended_ = false;
  // A socket allows one dump at a time: a dump under way is read to its end first.
  started_ = stale_ = under_way_;
}

Failure RawDump::Start() {
  started_ = true;
  stale_ = false;
  last_ = Clock::now();
  buckets_before_ = buckets_.Read();
  MessageWriter writer;
  EncodeDump(writer, command_, filter_);
  const netlink::Batch batch = writer.Take();
  Failure failure = batch.failure ? batch.failure : socket_.Send(batch.bytes);
  under_way_ = !failure;
  ended_ = !under_way_;
  return failure;
}

Failure RawDump::Receive(RawPiece& piece) {
  const auto received = socket_.ReceiveOne(std::span(piece.storage_).subspan(piece.used_, kDatagram));
  if (received.error == EAGAIN) return Wait();
  last_ = Clock::now();
  if (received.error != 0) return {received.error, "receive"};
  if (!received.from_kernel) return {};
  if (received.truncated) return {EBADMSG, "truncated reply"};
  Failure failure = Check(netlink::View(piece.storage_).subspan(piece.used_, received.size));
  if (!failure) piece.used_ += received.size / NLMSG_ALIGNTO * NLMSG_ALIGNTO;
  return failure;
}

Failure RawDump::Wait() {
  if (Clock::now() - last_ >= kPatience) return {ETIMEDOUT, "the dump does not continue"};
  idle_ = true;
  pollfd wait{socket_.fd(), POLLIN, 0};
  if (poll(&wait, 1, kPause) < 0 && errno != EINTR) return {errno, "wait for the dump"};
  return {};
}

// Looks for the end of the dump and for errors; the records are read later, maybe by another thread.
Failure RawDump::Check(netlink::View datagram) {
  MessageReader reader(datagram);
  Message message;
  while (reader.Next(message)) {
    if (message.header.nlmsg_type == NLMSG_ERROR) {
      under_way_ = false;
      const auto error = netlink::ReadAcknowledgement(message);
      return error ? Failure{error->code, error->message} : Failure{EBADMSG, "malformed error"};
    }
    if (message.header.nlmsg_type != NLMSG_DONE) continue;
    ended_ = true;
    under_way_ = false;
    const auto code = netlink::ReadAt<int>(message.payload);
    if (code && *code < 0 && *code >= -4095) return {-*code, ""};
    return {};
  }
  return reader.malformed() ? Failure{EBADMSG, "malformed reply"} : Failure{};
}

}  // namespace conntrack
