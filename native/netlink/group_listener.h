// What the kernel tells the members of multicast groups, as raw messages.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "netlink/io_thread.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace netlink {

struct Heard {
  Bytes messages;        // whole messages, back to back
  bool overrun = false;  // and some were lost
};

class GroupListener : public std::enable_shared_from_this<GroupListener> {
 public:
  using Done = std::function<void(Result<Heard>)>;

  // In the I/O thread, like all else here.
  static Result<std::shared_ptr<GroupListener>> Open(IoThread& io, Socket socket, const std::vector<uint32_t>& groups);
  ~GroupListener();

  // What has come since the last time; waits if nothing has. One at a time; ECANCELED when closed.
  void Next(uint32_t tag, Done done);
  void Cancel(uint32_t tag);

 private:
  GroupListener(IoThread& io, Socket socket) : io_(io), socket_(std::move(socket)) {}

  void Receive();
  void Deliver();
  void Watch(bool on);

  IoThread& io_;
  Socket socket_;
  Heard heard_;
  Failure failure_;
  Done waiting_;
  uint32_t tag_ = 0;
  bool watching_ = false;
};

}  // namespace netlink
