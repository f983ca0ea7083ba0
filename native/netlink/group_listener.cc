#include "netlink/group_listener.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace netlink {

namespace {

// Maximum size of the messages kept here, in bytes. Further messages stay in the kernel's buffer until it overruns.
constexpr size_t kMost = 1 << 20;

}  // namespace

Result<std::shared_ptr<GroupListener>> GroupListener::Open(Strand& strand, Socket socket,
                                                           const std::vector<uint32_t>& groups) {
  std::shared_ptr<GroupListener> listener(new GroupListener(strand, std::move(socket)));
  for (const uint32_t group : groups) {
    if (setsockopt(listener->socket_.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return Failure{errno, "join a multicast group"};
    }
  }
  listener->Watch(true);
  if (listener->failure_) return listener->failure_;
  return listener;
}

GroupListener::~GroupListener() {
  Watch(false);
  if (waiting_) waiting_(Failure{ECANCELED, ""});
}

void GroupListener::Watch(bool on) {
  if (watching_ == on) return;
  watching_ = on;
  if (!on) return strand_.Unwatch(socket_.fd());
  failure_ = strand_.Watch(socket_.fd(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self ? self->Receive() : Rest::kNone;
  });
  watching_ = !failure_;
}

Rest GroupListener::Receive() {
  ReceiveBuffers& buffers = strand_.buffers();
  const int count = socket_.Receive(buffers);
  if (count == -ENOBUFS) heard_.overrun = true;
  if (count < 0 && count != -ENOBUFS && count != -EAGAIN) {
    failure_ = {-count, "receive"};
    Watch(false);
  }
  for (int i = 0; i < count; ++i) {
    if (!buffers.FromKernel(i)) continue;
    if (buffers.truncated(i)) {
      heard_.overrun = true;
      continue;
    }
    const View datagram = buffers.datagram(i);
    heard_.messages.insert(heard_.messages.end(), datagram.begin(), datagram.end());
  }
  if (heard_.messages.size() >= kMost) Watch(false);
  Deliver();
  return count == -EAGAIN ? Rest::kNone : Rest::kMaybe;
}

void GroupListener::Deliver() {
  const bool something = !heard_.messages.empty() || heard_.overrun;
  if (!waiting_ || (!something && !failure_)) return;
  const Done done = std::exchange(waiting_, nullptr);
  if (!something) return done(failure_);
  done(std::exchange(heard_, {}));
}

void GroupListener::Next(uint32_t tag, Done done) {
  if (waiting_) return done(Failure{EBUSY, "somebody waits already"});
  tag_ = tag;
  waiting_ = std::move(done);
  Deliver();
  if (failure_) return;
  Watch(true);
  if (failure_) Deliver();
}

void GroupListener::Cancel(uint32_t tag) {
  if (!waiting_ || tag_ != tag) return;
  const Done done = std::exchange(waiting_, nullptr);
  done(Failure{ECANCELED, ""});
}

}  // namespace netlink
