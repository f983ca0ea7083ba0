// The thread that talks to the kernel. A netlink request runs in the thread that sends it, and a dump continues inside
// the receive. Both can take seconds, so neither may run on an event loop.
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
  ~IoThread();  // calls Stop()
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Queues a task; call it from any thread. Tasks run in order. Stop() drops the tasks that have not run.
  void Post(Task task);
  // Waits for the running task, joins the thread, and destroys the remaining tasks.
  void Stop();

  // Call the following functions in the I/O thread only, or after Stop().
  [[nodiscard]] Failure Watch(int fd, Task on_readable);
  void Unwatch(int fd);
  // Runs the callbacks of all watched descriptors, readable or not.
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
