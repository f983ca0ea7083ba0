// Events of the table as a stream with bounded memory. If the consumer is too slow, the kernel's buffer overruns, and
// the stream reports it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "conntrack/flow_dump.h"
#include "conntrack/mirror.h"
#include "netlink/strand.h"

namespace conntrack {

struct EventOptions {
  bool created = true;
  bool updated = true;
  bool destroyed = true;
  bool expectations = false;
  bool reliable = false;
  bool resynchronise = false;
  uint32_t receive_buffer = 0;  // bytes; 0: the default
  uint32_t interval = 1000;     // minimum time between two resynchronisations, in ms
  Filter filter;
};

struct EventBatch {
  FlowBatch flows;
  std::vector<Expectation> expectations;

  bool empty() const { return flows.empty() && expectations.empty(); }
};

class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  using Done = std::function<void(netlink::Result<EventBatch>)>;

  // Joins the groups; `dump` is the socket for resynchronisation. All methods run in the strand only.
  static netlink::Result<std::shared_ptr<EventStream>> Open(netlink::Strand& strand, netlink::Socket events,
                                                            netlink::Socket dump, const EventOptions& options);
  ~EventStream();

  uint32_t receive_buffer() const { return receive_buffer_; }
  // Delivers the events received since the last call; waits if there are none. EBUSY: another call waits.
  // ECANCELED: the stream was closed.
  void Next(uint32_t tag, Done done);
  void Cancel(uint32_t tag);

 private:
  using Clock = std::chrono::steady_clock;

  EventStream(netlink::Strand& strand, netlink::Socket events, netlink::Socket dump, const EventOptions& options)
      : strand_(strand),
        events_(std::move(events)),
        dump_(std::move(dump), Command::kGet, options.filter),
        options_(options) {}

  netlink::Failure Subscribe();
  netlink::Rest Receive();
  netlink::Rest Pause();
  netlink::Rest OnPace();
  bool Read(netlink::View datagram);
  bool TakeFlow(netlink::View payload, Event event);
  void Lose();
  void OnTimer();
  void Fail(netlink::Failure failure);
  void Resynchronise();
  void CompareSome();
  void CompareAgain();  // the dump was interrupted
  void Say(Event event, uint64_t number);
  void Watch(bool on);
  bool full() const;
  void Deliver();

  netlink::Strand& strand_;
  netlink::Socket events_;
  FlowDump dump_;
  EventOptions options_;
  Mirror mirror_;
  FlowBatch table_;  // the piece of the table that is being compared
  EventBatch pending_;
  netlink::Failure failure_;
  Done waiting_;
  uint32_t tag_ = 0;
  uint32_t receive_buffer_ = 0;
  uint64_t overruns_ = 0;
  bool watching_ = false;
  bool dumping_ = false;
  bool stalled_ = false;  // the dump waits until the pending events are taken
  bool wanted_ = false;   // a resynchronisation is due
  // True from an overrun until the queue is empty. In that time the kernel drops events silently
  // (NETLINK_S_CONGESTED), and the events in the queue are older than any dump.
  bool congested_ = false;
  Clock::time_point last_{};
  netlink::FileDescriptor timer_;
  netlink::FileDescriptor pace_;
};

}  // namespace conntrack
