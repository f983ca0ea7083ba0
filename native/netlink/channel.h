// Requests and their replies over one socket.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "netlink/error.h"
#include "netlink/io_thread.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace netlink {

// Either any number of plain requests (written with NLM_F_ACK, each with its own outcome), or one
// dump. All callbacks come in the I/O thread.
struct Exchange {
  Batch batch;
  bool dump = false;
  // Nobody waits for the reply of a single request. Then only the last request of a window is
  // acknowledged: the kernel carries them out in order, and tells every error (netlink_rcv_skb).
  bool terse = false;
  uint32_t tag = 0;  // for Cancel()
  std::function<void(const Message&)> on_reply = [](const Message&) {};
  std::function<void(std::vector<Failure>)> on_done;  // one per message; code 0 is success
};

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  static Result<std::shared_ptr<Channel>> Create(IoThread& io, Socket socket);
  ~Channel();

  // In the order they are submitted, one exchange at a time: a request has run when the send
  // returns, so there is nothing to gain from more (and a socket takes one dump at a time).
  void Submit(Exchange exchange);
  // Ends an exchange with ECANCELED. What of it has been sent is carried out all the same; what
  // has not been is not sent any more.
  void Cancel(uint32_t tag);

 private:
  Channel(IoThread& io, Socket socket) : io_(io), socket_(std::move(socket)) {}

  void OnReadable();
  void Pump();
  void SendWindow();
  bool ReceiveSome();
  void Handle(const Message& message);
  void EndOutstanding(const Failure& failure);
  void Finish();

  IoThread& io_;
  Socket socket_;
  Failure failure_;  // of the socket: no exchange can succeed any more
  std::deque<Exchange> queue_;
  bool pumping_ = false;

  // The exchange under way, if `active_`.
  bool active_ = false;
  Exchange current_;
  std::vector<Failure> outcomes_;
  std::vector<bool> answered_;
  uint32_t sequence_ = 0;     // of the first message of the exchange
  uint32_t sent_ = 0;         // how many messages have been sent
  uint32_t outstanding_ = 0;  // how many of these have no outcome yet
  bool overrun_ = false;
  bool cancelled_ = false;
  uint32_t next_sequence_ = 1;
};

}  // namespace netlink
