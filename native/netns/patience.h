// A wait that ends at its time limit, or when another thread ends it.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <mutex>

namespace netns {

class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  // Has no time limit.
  Patience() : Patience(Clock::time_point::max()) {}
  explicit Patience(std::chrono::milliseconds limit) : Patience(Clock::now() + limit) {}
  ~Patience() { pthread_cond_destroy(&changed_); }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  // Ends the current wait and all later ones; call it from any thread.
  void GiveUp() {
    {
      const std::lock_guard lock(mutex_);
      given_up_ = true;
    }
    pthread_cond_broadcast(&changed_);
  }

  // Waits for `pause`. Returns false as soon as the limit has passed or GiveUp() was called.
  bool Wait(std::chrono::milliseconds pause) {
    const auto until =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::min(end_, Clock::now() + pause).time_since_epoch());
    const timespec time{static_cast<time_t>(until.count() / 1'000'000'000),
                        static_cast<long>(until.count() % 1'000'000'000)};
    const std::lock_guard lock(mutex_);
    while (!given_up_ && pthread_cond_timedwait(&changed_, mutex_.native_handle(), &time) != ETIMEDOUT) {
    }
    return !given_up_ && Clock::now() < end_;
  }

  bool given_up() const {
    const std::lock_guard lock(mutex_);
    return given_up_;
  }

 private:
  // std::condition_variable follows steady_clock with a function that glibc has from 2.30.
  explicit Patience(Clock::time_point end) : end_(end) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed_, &attributes);
    pthread_condattr_destroy(&attributes);
  }

  Clock::time_point end_;
  mutable std::mutex mutex_;
  pthread_cond_t changed_;
  bool given_up_ = false;  // guarded by mutex_
};

}  // namespace netns
