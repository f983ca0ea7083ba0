// Sends requests over one socket and matches the replies to them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "netlink/error.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"
#include "netlink/strand.h"

namespace netlink {

// Either any number of plain requests (written with NLM_F_ACK, each with its own outcome), or one
// dump. All callbacks run in the strand.
struct Exchange {
  Batch batch;
  bool dump = false;
  // Asks for an acknowledgement of the last request of a window only. This suffices if no caller waits for a single
  // request: the kernel processes the requests in order and reports every error (netlink_rcv_skb).
  bool terse = false;
  uint32_t tag = 0;  // for Cancel()
  std::function<void(const Message&)> on_reply = [](const Message&) {};
  std::function<void(std::vector<Failure>)> on_done;  // one per message; code 0 is success
};

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // All methods run in the strand only.
  static std::shared_ptr<Channel> Create(Strand& strand, Socket socket) {
    return std::shared_ptr<Channel>(new Channel(strand, std::move(socket)));
  }
  ~Channel();

  // Queues an exchange. Exchanges run one at a time, in the order of submission. A request has run when the send
  // returns, so several at a time would not be faster (and a socket allows one dump at a time).
  void Submit(Exchange exchange);
  // Ends an exchange with ECANCELED. The kernel still carries out the requests that have been sent; the others are
  // not sent.
  void Cancel(uint32_t tag);

 private:
  Channel(Strand& strand, Socket socket) : strand_(strand), socket_(std::move(socket)) {}

  Failure Watch();
  void Unwatch();
  void Drain();
  void Pump();
  void SendWindow();
  bool ReceiveSome();
  void Handle(const Message& message);
  void EndOutstanding(const Failure& failure);
  void Finish();

  Strand& strand_;
  Socket socket_;
  bool watching_ = false;
  bool used_ = false;  // an exchange was started
  std::deque<Exchange> queue_;
  bool pumping_ = false;

  // The current exchange, if `active_`.
  bool active_ = false;
  Exchange current_;
  std::vector<Failure> outcomes_;
  std::vector<bool> answered_;
  uint32_t sequence_ = 0;     // sequence number of the first message of the exchange
  uint32_t sent_ = 0;         // number of messages sent
  uint32_t outstanding_ = 0;  // number of sent messages without an outcome
  bool overrun_ = false;
  bool cancelled_ = false;
  uint32_t next_sequence_ = 1;
};

}  // namespace netlink
