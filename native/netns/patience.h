// A wait with an end: by its own time limit, or by another thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace netns {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  // Without a limit.
  Patience() = default;
  explicit Patience(std::chrono::milliseconds limit) : end_(Clock::now() + limit) {}

  // From any thread: ends the wait that goes on now, and all later ones.
  void GiveUp() {
    {
      const std::lock_guard lock(mutex_);
      given_up_ = true;
    }
    changed_.notify_all();
  }

  // Waits for `pause`; false at once when the limit has passed or GiveUp() was called.
  bool Wait(std::chrono::milliseconds pause) {
    const auto until = std::min(end_, Clock::now() + pause);
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [this] { return given_up_; });
    return !given_up_ && Clock::now() < end_;
  }

  bool given_up() const {
    const std::lock_guard lock(mutex_);
    return given_up_;
  }

 private:
  Clock::time_point end_ = Clock::time_point::max();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool given_up_ = false;  // guarded by mutex_
};

}  // namespace netns
