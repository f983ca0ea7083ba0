// Threads for work that may block for long: it holds up no other request, and nobody waits for it when the
// environment ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "netlink/error.h"
#include "netlink/io_thread.h"
#include "netns/patience.h"

namespace binding {

class ThrowawayThreads {
 public:
  explicit ThrowawayThreads(netlink::IoThread& io) : io_(io) {}
  ~ThrowawayThreads() { Stop(); }
  ThrowawayThreads(const ThrowawayThreads&) = delete;
  ThrowawayThreads& operator=(const ThrowawayThreads&) = delete;

  // In the I/O thread. Runs `work` in a thread of its own, and `ended` in the I/O thread afterwards. The work
  // waits by the patience only. EAGAIN: no thread can be started.
  netlink::Failure Start(std::shared_ptr<netns::Patience> patience, std::function<void(netns::Patience&)> work,
                         netlink::IoThread::Task ended);
  // After the end of the I/O thread: gives up all waits, and joins the threads.
  void Stop();

 private:
  struct Running {
    std::thread thread;
    std::shared_ptr<netns::Patience> patience;
  };

  void Join(uint32_t number);

  netlink::IoThread& io_;
  std::mutex mutex_;
  std::unordered_map<uint32_t, Running> running_;  // guarded by mutex_
  uint32_t last_ = 0;
};

}  // namespace binding
