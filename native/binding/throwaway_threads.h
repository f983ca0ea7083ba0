// Threads for work that may block for a long time. It delays no other request, and the end of the environment
// does not wait for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "netlink/error.h"
#include "netlink/strand.h"
#include "netns/patience.h"

namespace binding {

class ThrowawayThreads {
 public:
  ThrowawayThreads() = default;
  ~ThrowawayThreads() { Stop(); }
  ThrowawayThreads(const ThrowawayThreads&) = delete;
  ThrowawayThreads& operator=(const ThrowawayThreads&) = delete;

  // Runs `work` in a new thread, then `ended` in the strand. Call it in a strand. The work may block only in
  // patience.Wait(). EAGAIN: no thread can be started.
  netlink::Failure Start(std::shared_ptr<netns::Patience> patience, std::function<void(netns::Patience&)> work,
                         std::shared_ptr<netlink::Strand> strand, netlink::Strand::Task ended);
  // Gives up all waits and joins the threads. Call it after IoPool::Stop().
  void Stop();

 private:
  struct Running {
    std::thread thread;
    std::shared_ptr<netns::Patience> patience;
  };

  void Join(uint32_t number);

  std::mutex mutex_;
  std::unordered_map<uint32_t, Running> running_;  // guarded by mutex_
  uint32_t last_ = 0;                              // guarded by mutex_
};

}  // namespace binding
