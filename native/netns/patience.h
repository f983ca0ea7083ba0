// A wait that ends at its time limit, or when another thread ends it.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace netns {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  // Has no time limit.
  Patience() = default;
  explicit Patience(std::chrono::milliseconds limit) : end_(Clock::now() + limit) {}

  // Ends the current wait and all later ones; call it from any thread.
  void GiveUp() {
    {
      const std::lock_guard lock(mutex_);
      given_up_ = true;
    }
    changed_.notify_all();
  }

  // Waits for `pause`. Returns false as soon as the limit has passed or GiveUp() was called.
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
