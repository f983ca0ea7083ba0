// The threads that talk to the kernel. A netlink request runs in the thread that sends it, and a dump continues inside
// the receive. Both can take seconds, so neither may run on an event loop, nor make another handle wait.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "netlink/error.h"
#include "netlink/file_descriptor.h"
#include "netlink/strand.h"

namespace netlink {

// All threads wait in epoll_wait() on one descriptor, and the thread that wakes runs what is ready: nothing is handed
// over. Before a thread runs a strand it makes sure that another thread waits, and starts one if need be. A thread that
// waits in vain for some seconds while another one waits, ends. So there is one thread more than strands that run at
// the same time, and a strand without work needs none.
class IoPool {
 public:
  // If more strands than this have work at the same time, they take turns.
  static constexpr size_t kMostThreads = 64;

  IoPool();   // starts the first thread; throws std::system_error
  ~IoPool();  // calls Stop()
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // Waits for the running tasks, joins the threads, and destroys the remaining tasks.
  void Stop();
  size_t threads();  // the present number

 private:
  friend class Strand;
  using Lock = std::unique_lock<std::mutex>;

  void Post(std::shared_ptr<Strand> strand, Strand::Task task);
  Failure Watch(std::weak_ptr<Strand> strand, int fd);
  // A report disables the descriptor (EPOLLONESHOT), so that no second thread wakes for it; this enables it again.
  void Rearm(int fd);
  void Unwatch(int fd);
  bool stopping() const { return stopping_; }

  void Work(std::list<std::thread>::iterator self);
  std::shared_ptr<Strand> Next(Lock& lock);
  bool Wait(Lock& lock);
  void Report(int fd);
  void ReportAll();
  void CallForHelp();
  void StartThread();
  void Wake() const;

  FileDescriptor epoll_;
  FileDescriptor wake_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards all of the following
  std::condition_variable gone_;
  std::deque<std::shared_ptr<Strand>> ready_;
  std::unordered_map<int, std::weak_ptr<Strand>> watchers_;
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // to be joined
  size_t waiting_ = 0;            // threads that are about to take a strand or to wait for one
  size_t waking_ = 0;             // calls of Wake() that no thread has noticed
};

}  // namespace netlink
