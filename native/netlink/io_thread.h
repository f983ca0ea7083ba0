// The thread that talks to the kernel. A netlink request runs in the thread that sends it, and
// a dump goes on inside the receive; both can take seconds, so neither belongs on an event loop.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "netlink/error.h"
#include "netlink/file_descriptor.h"
#include "netlink/socket.h"

namespace netlink {

class IoThread {
 public:
  using Task = std::function<void()>;

  IoThread();   // throws std::system_error
  ~IoThread();  // as Stop()
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // From any thread. Tasks run in order; those that have not run at Stop() never do.
  void Post(Task task);
  // Waits for the task that runs now, joins the thread, destroys the tasks left over.
  void Stop();

  // In the I/O thread only, or after Stop().
  [[nodiscard]] Failure Watch(int fd, Task on_readable);
  void Unwatch(int fd);
  // Runs all that watches a descriptor, readable or not.
  void AskAll();
  ReceiveBuffers& buffers() { return buffers_; }

 private:
  void Run();
  void RunTasks();

  FileDescriptor epoll_;
  FileDescriptor wake_;
  std::mutex mutex_;
  std::vector<Task> tasks_;  // guarded by mutex_
  std::atomic<bool> stopping_ = false;
  std::unordered_map<int, Task> watched_;
  ReceiveBuffers buffers_;
  std::thread thread_;
};

}  // namespace netlink
