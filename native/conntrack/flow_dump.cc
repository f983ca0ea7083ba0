#include "conntrack/flow_dump.h"

#include <poll.h>

#include <cerrno>
#include <chrono>

namespace conntrack {

using netlink::Failure;
using netlink::Message;
using netlink::MessageReader;
using netlink::MessageWriter;

namespace {

// Size of a batch in bytes: large enough that crossing to JavaScript is cheap, small enough that it blocks neither
// thread for more than a few milliseconds.
constexpr size_t kBatchBytes = 256 * 1024;

// Number of datagrams without a match, and time, before other work gets its turn.
constexpr int kReceives = 64;
constexpr std::chrono::milliseconds kTurn{5};

// A dump continues inside the receive, so a datagram is normally available at once. Otherwise kPause is the wait within
// one turn, and kPatience is the time after which the dump fails.
constexpr int kPause = 1;  // ms
constexpr std::chrono::seconds kPatience{1};

constexpr int kAttempts = 20;

}  // namespace

Failure FlowDump::Next(netlink::ReceiveBuffers& buffers, FlowBatch& batch) {
  batch.Clear();
  if (!started_) {
    if (Failure failure = Start()) return failure;
  }
  batch.flows.reserve(kBatchBytes / sizeof(Flow) + 256);
  const auto begin = Clock::now();
  if (!idle_) last_ = begin;  // does not count a pause of the caller as a delay of the kernel
  idle_ = false;
  for (int i = 0; !ended_ && !idle_ && batch.bytes() < kBatchBytes && i < kReceives; ++i) {
    if (i > 0 && Clock::now() - begin >= kTurn) break;
    if (Failure failure = Receive(buffers, batch)) {
      ended_ = true;
      return failure;
    }
    if (!stale_ && buckets_.Read() != buckets_before_) {
      stale_ = true;
      if (handed_out_ || ++interruptions_ == kAttempts) {
        ended_ = true;
        batch.Clear();
        return {EINTR, "the number of buckets changed"};
      }
    }
    if (!stale_) continue;
    batch.Clear();
    if (under_way_) continue;
    if (Failure failure = Start()) return failure;
  }
  handed_out_ = handed_out_ || !batch.empty();
  return {};
}

void FlowDump::Restart() {
  ended_ = false;
  handed_out_ = false;
  interruptions_ = 0;
  // A socket allows one dump at a time: a dump under way is read to its end first.
  started_ = stale_ = under_way_;
}

Failure FlowDump::Start() {
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

Failure FlowDump::Receive(netlink::ReceiveBuffers& buffers, FlowBatch& batch) {
  const int count = socket_.Receive(buffers, 1);
  if (count == -EAGAIN) return Wait();
  last_ = Clock::now();
  if (count < 0) return {-count, "receive"};
  if (count == 0 || !buffers.FromKernel(0)) return {};
  if (buffers.truncated(0)) return {EBADMSG, "truncated reply"};
  return Read(buffers.datagram(0), batch);
}

Failure FlowDump::Wait() {
  if (Clock::now() - last_ >= kPatience) return {ETIMEDOUT, "the dump does not continue"};
  idle_ = true;
  pollfd wait{socket_.fd(), POLLIN, 0};
  if (poll(&wait, 1, kPause) < 0 && errno != EINTR) return {errno, "wait for the dump"};
  return {};
}

Failure FlowDump::Read(netlink::View datagram, FlowBatch& batch) {
  MessageReader reader(datagram);
  Message message;
  while (reader.Next(message)) {
    if (message.header.nlmsg_type == NLMSG_ERROR) {
      under_way_ = false;
      const auto error = netlink::ReadAcknowledgement(message);
      return error ? Failure{error->code, error->message} : Failure{EBADMSG, "malformed error"};
    }
    if (message.header.nlmsg_type == NLMSG_DONE) {
      ended_ = true;
      under_way_ = false;
      const auto code = netlink::ReadAt<int>(message.payload);
      if (code && *code < 0 && *code >= -4095) return {-*code, ""};
      return {};
    }
    if (message.header.nlmsg_type < NLMSG_MIN_TYPE) continue;
    const size_t extensions = batch.extensions.size();
    const size_t text = batch.text.size();
    const bool decoded = brief_ ? DecodeFlowBriefly(message.payload, batch) : DecodeFlow(message.payload, batch);
    if (!decoded) return {EBADMSG, "malformed flow"};
    if (Matches(filter_, batch.flows.back())) continue;
    batch.flows.pop_back();
    batch.extensions.resize(extensions);
    batch.text.resize(text);
  }
  return reader.malformed() ? Failure{EBADMSG, "malformed reply"} : Failure{};
}

}  // namespace conntrack
