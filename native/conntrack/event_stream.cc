#include "conntrack/event_stream.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "conntrack/event_filter.h"

namespace conntrack {

using netlink::Failure;
using netlink::Message;
using netlink::MessageReader;
using netlink::Rest;
using netlink::Result;
using netlink::Strand;

namespace {

// Maximum size of the events kept here, in bytes. Further events stay in the kernel's buffer until it overruns.
constexpr size_t kPendingBytes = 1 << 20;
// Number of receives before other sockets get their turn; each receive takes up to 16 events.
constexpr int kBurst = 16;
// Time between two reads while events keep coming. To wake for every event at 100,000/s took 1.7 times the processor
// time of a C program that does; this takes 1.05 to 1.34. The kernel's buffer holds the events of that time.
constexpr long kPace = 200'000;  // ns

}  // namespace

Result<std::shared_ptr<EventStream>> EventStream::Open(Strand& strand, netlink::Socket events, netlink::Socket dump,
                                                       const EventOptions& options) {
  std::shared_ptr<EventStream> stream(new EventStream(strand, std::move(events), std::move(dump), options));
  if (const Failure failure = stream->Subscribe()) return failure;
  stream->Watch(true);
  if (stream->failure_) return stream->failure_;
  stream->pace_ = netlink::FileDescriptor(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!stream->pace_.valid()) return Failure{errno, "timerfd_create"};
  Failure unpaced = strand.Watch(stream->pace_.get(), [weak = std::weak_ptr(stream)] {
    const auto self = weak.lock();
    return self ? self->OnPace() : Rest::kNone;
  });
  if (unpaced) return unpaced;
  if (!options.resynchronise) return stream;
  stream->timer_ = netlink::FileDescriptor(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!stream->timer_.valid()) return Failure{errno, "timerfd_create"};
  Failure unwatched = strand.Watch(stream->timer_.get(), [weak = std::weak_ptr(stream)] {
    if (const auto self = weak.lock()) self->OnTimer();
    return Rest::kNone;
  });
  if (unwatched) return unwatched;
  stream->wanted_ = true;
  stream->Resynchronise();  // the mirror is empty: reports the whole table
  return stream;
}

void EventStream::OnTimer() {
  uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof expirations) == sizeof expirations) return Resynchronise();
  if (errno == EAGAIN || errno == EINTR) return;
  strand_.Unwatch(timer_.get());
  Fail({errno, "read a timer"});
}

// Sets the failure. Events received earlier are delivered first.
void EventStream::Fail(Failure failure) {
  failure_ = std::move(failure);
  Watch(false);
  Deliver();
}

EventStream::~EventStream() {
  Watch(false);
  if (timer_.valid()) strand_.Unwatch(timer_.get());
  if (pace_.valid()) strand_.Unwatch(pace_.get());
  if (waiting_) waiting_(Failure{ECANCELED, ""});
}

Failure EventStream::Subscribe() {
  const int fd = events_.fd();
  const int on = 1;
  if (options_.reliable && (setsockopt(fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on, sizeof on) != 0 ||
                            setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on) != 0)) {
    return {errno, "make event delivery reliable"};
  }
  if (options_.receive_buffer != 0) {
    const auto size = static_cast<int>(options_.receive_buffer);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) {
      return {errno, "set the size of the receive buffer"};
    }
  }
  int size = 0;
  socklen_t length = sizeof size;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0) {
    return {errno, "read the size of the receive buffer"};
  }
  receive_buffer_ = static_cast<uint32_t>(size);
  // No socket filter in two cases: expectations have other attributes, and the mark of a mirrored flow may change.
  if (!options_.expectations && !options_.resynchronise) {
    std::vector<sock_filter> code = EventFilter(options_.filter);
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    if (!code.empty() && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
      return {errno, "attach a filter"};
    }
  }
  std::vector<uint32_t> groups;
  if (options_.created) groups.push_back(kGroupNew);
  if (options_.updated) groups.push_back(kGroupUpdate);
  if (options_.destroyed) groups.push_back(kGroupDestroy);
  if (options_.expectations) groups.insert(groups.end(), {kGroupExpectationNew, kGroupExpectationDestroy});
  for (const uint32_t group : groups) {
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return {errno, "join a multicast group"};
    }
  }
  return {};
}

void EventStream::Watch(bool on) {
  if (watching_ == on) return;
  watching_ = on;
  if (!on) return strand_.Unwatch(events_.fd());
  failure_ = strand_.Watch(events_.fd(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self ? self->Receive() : Rest::kNone;
  });
  watching_ = !failure_;
}

bool EventStream::full() const {
  return pending_.flows.bytes() + pending_.expectations.size() * sizeof(Expectation) >= kPendingBytes;
}

Rest EventStream::Receive() {
  Rest rest = Rest::kMaybe;
  bool received = false;
  netlink::ReceiveBuffers& buffers = Strand::buffers();
  for (int burst = 0; burst < kBurst && !full(); ++burst) {
    const int count = events_.Receive(buffers);
    if (count == -EAGAIN) {
      congested_ = false;
      rest = received ? Pause() : Rest::kNone;
      Resynchronise();
      break;
    }
    if (count == -ENOBUFS) {
      congested_ = true;
      Lose();
      continue;
    }
    if (count < 0) {
      failure_ = {-count, "receive"};
      Watch(false);
      break;
    }
    received = true;
    for (int i = 0; i < count; ++i) {
      if (buffers.FromKernel(i) && (!Read(buffers.datagram(i)) || buffers.truncated(i))) Lose();
    }
  }
  if (full()) Watch(false);
  Deliver();
  return rest;
}

// Leaves the next events to OnPace().
Rest EventStream::Pause() {
  itimerspec when{};
  when.it_value.tv_nsec = kPace;
  return timerfd_settime(pace_.get(), 0, &when, nullptr) == 0 ? Rest::kLater : Rest::kNone;
}

Rest EventStream::OnPace() {
  uint64_t expirations = 0;
  if (read(pace_.get(), &expirations, sizeof expirations) < 0 && errno != EAGAIN) {
    // Without a timer the stream wakes for every event.
    strand_.Unwatch(pace_.get());
    pace_ = netlink::FileDescriptor();
  }
  if (!watching_) return Rest::kNone;
  const Rest rest = Receive();
  if (rest == Rest::kNone) strand_.Resume(events_.fd());
  return rest == Rest::kMaybe ? rest : Rest::kNone;
}

// Returns false if a part of the datagram is malformed.
bool EventStream::Read(netlink::View datagram) {
  MessageReader reader(datagram);
  Message message;
  bool whole = true;
  while (reader.Next(message)) {
    const uint16_t subsystem = message.header.nlmsg_type >> 8;
    const uint16_t command = message.header.nlmsg_type & 0xff;
    const bool created = command == static_cast<uint16_t>(Command::kNew);
    const bool first = created && (message.header.nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) != 0;
    const Event event = first ? Event::kNew : created ? Event::kUpdate : Event::kDestroy;
    if (subsystem == kSubsystem && !TakeFlow(message.payload, event)) whole = false;
    if (subsystem != kExpectationSubsystem) continue;
    auto expectation = DecodeExpectation(message.payload);
    if (!expectation) {
      whole = false;
      continue;
    }
    expectation->event = event;
    expectation->position = static_cast<uint32_t>(pending_.flows.flows.size());
    pending_.expectations.push_back(*expectation);
  }
  return whole && !reader.malformed();
}

// Returns false if the message is malformed.
bool EventStream::TakeFlow(netlink::View payload, Event event) {
  FlowBatch& batch = pending_.flows;
  const size_t extensions = batch.extensions.size();
  const size_t text = batch.text.size();
  if (!DecodeFlow(payload, batch)) return false;
  const auto drop = [&] {
    batch.flows.pop_back();
    batch.extensions.resize(extensions);
    batch.text.resize(text);
  };
  batch.flows.back().event = event;
  if (!options_.resynchronise) {
    if (!Matches(options_.filter, batch.flows.back())) drop();
    return true;
  }
  Flow flow = batch.flows.back();
  const bool matches = Matches(options_.filter, flow);
  // A known flow that no longer matches (for example, its mark changed) is reported one last time.
  if (!matches) flow.event = Event::kDestroy;
  FlowBatch missed;
  const bool known = mirror_.Take(flow, missed);
  // The end of an unknown flow is not reported: it was reported before, or the flow never matched.
  const bool shown = known || (matches && event != Event::kDestroy);
  if (matches) batch.flows.back().event = flow.event;
  if (!shown) drop();
  batch.flows.insert(batch.flows.end() - (shown ? 1 : 0), missed.flows.begin(), missed.flows.end());
  return true;
}

// Reports a loss of events to the consumer, and requests a new comparison with the table.
void EventStream::Lose() {
  wanted_ = options_.resynchronise;
  Say(Event::kOverrun, ++overruns_);
}

void EventStream::Say(Event event, uint64_t number) {
  Flow flow;
  flow.event = event;
  flow.counters[0].packets = number;
  pending_.flows.flows.push_back(flow);
}

void EventStream::Resynchronise() {
  if (!wanted_ || dumping_ || congested_) return;
  const auto since = Clock::now() - last_;
  const auto interval = std::chrono::milliseconds(options_.interval);
  if (last_ != Clock::time_point{} && since < interval) {
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(interval - since).count();
    itimerspec when{};
    when.it_value.tv_sec = rest / 1'000'000'000;
    when.it_value.tv_nsec = rest % 1'000'000'000 + 1;
    if (timerfd_settime(timer_.get(), 0, &when, nullptr) != 0) Fail({errno, "set a timer"});
    return;
  }
  last_ = Clock::now();
  wanted_ = false;
  dumping_ = true;
  dump_.Restart();
  mirror_.Begin();
  CompareSome();
}

// Compares one piece of the table. Events and other sockets get their turn between two pieces.
void EventStream::CompareSome() {
  if (!dumping_) return;
  stalled_ = full();
  if (stalled_) return;
  if (Failure failure = dump_.Next(table_)) {
    if (failure.code == EINTR) return CompareAgain();
    failure_ = std::move(failure);
    dumping_ = false;
    return Deliver();
  }
  for (const Flow& flow : table_.flows) mirror_.Compare(flow, pending_.flows);
  if (dump_.ended()) {
    dumping_ = false;
    mirror_.End(pending_.flows);
    Say(Event::kResynchronised, mirror_.size());
    Resynchronise();  // if an overrun occurred during the comparison
  } else {
    strand_.Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->CompareSome();
    });
  }
  Deliver();
}

// Starts the comparison again. Flows compared before are known, so nothing is reported twice.
void EventStream::CompareAgain() {
  dump_.Restart();
  mirror_.Begin();
  strand_.Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->CompareSome();
  });
}

void EventStream::Deliver() {
  if (!waiting_ || (pending_.empty() && !failure_)) return;
  const Done done = std::exchange(waiting_, nullptr);
  if (pending_.empty()) return done(failure_);
  done(std::exchange(pending_, {}));
}

void EventStream::Next(uint32_t tag, Done done) {
  if (waiting_) return done(Failure{EBUSY, "somebody waits already"});
  tag_ = tag;
  waiting_ = std::move(done);
  Deliver();
  if (!full() && !failure_) {
    Watch(true);
    if (failure_) Deliver();
  }
  if (stalled_ && !full()) CompareSome();
}

void EventStream::Cancel(uint32_t tag) {
  if (!waiting_ || tag_ != tag) return;
  const Done done = std::exchange(waiting_, nullptr);
  done(Failure{ECANCELED, ""});
}

}  // namespace conntrack
