// Receives the raw messages that the kernel sends to multicast groups.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "netlink/message_writer.h"
#include "netlink/socket.h"
#include "netlink/strand.h"

namespace netlink {

struct Heard {
  Bytes messages;        // whole messages, back to back
  bool overrun = false;  // true if other messages were lost
};

class GroupListener : public std::enable_shared_from_this<GroupListener> {
 public:
  using Done = std::function<void(Result<Heard>)>;

  // Joins the groups. All methods run in the strand only.
  static Result<std::shared_ptr<GroupListener>> Open(Strand& strand, Socket socket,
                                                     const std::vector<uint32_t>& groups);
  ~GroupListener();

  // Delivers the messages received since the last call; waits if there are none. EBUSY: another call waits.
  // ECANCELED: the listener was closed.
  void Next(uint32_t tag, Done done);
  void Cancel(uint32_t tag);

 private:
  GroupListener(Strand& strand, Socket socket) : strand_(strand), socket_(std::move(socket)) {}

  Rest Receive();
  void Deliver();
  void Watch(bool on);

  Strand& strand_;
  Socket socket_;
  Heard heard_;
  Failure failure_;
  Done waiting_;
  uint32_t tag_ = 0;
  bool watching_ = false;
};

}  // namespace netlink
