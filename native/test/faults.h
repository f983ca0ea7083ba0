// Makes kernel calls fail or end early in a test: the linker redirects the calls of native/ to this file (--wrap in
// CMakeLists.txt).
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace test {

template <typename Signature>
class Call;

template <typename Answer, typename... Arguments>
class Call<Answer(Arguments...)> {
 public:
  // Returns the answer that replaces the kernel's, or nullopt to call the kernel. Sets errno for a failure.
  using Stand = std::function<std::optional<Answer>(Arguments...)>;

  // Installs `stand` until it goes out of scope.
  class Fault {
   public:
    Fault(Call& call, Stand stand) : call_(call) { call_.Set(std::make_shared<Stand>(std::move(stand))); }
    ~Fault() { call_.Set(nullptr); }
    Fault(const Fault&) = delete;
    Fault& operator=(const Fault&) = delete;

   private:
    Call& call_;
  };

  // Returns the answer of the installed stand, if any; call it from any thread.
  std::optional<Answer> Ask(Arguments... arguments) {
    std::shared_ptr<Stand> stand;
    {
      const std::lock_guard lock(mutex_);
      stand = stand_;
    }
    return stand ? (*stand)(arguments...) : std::nullopt;
  }

 private:
  void Set(std::shared_ptr<Stand> stand) {
    const std::lock_guard lock(mutex_);
    stand_ = std::move(stand);
  }

  std::mutex mutex_;
  std::shared_ptr<Stand> stand_;
};

struct Calls {
  Call<ssize_t(int, const void*, size_t)> sendto;
  Call<int(int, mmsghdr*, unsigned)> recvmmsg;
  Call<int(int, int, int, epoll_event*)> epoll_ctl;
  Call<int(int)> epoll_wait;
  Call<int(int, int, int, const void*, socklen_t)> setsockopt;
  Call<int(int, int, int)> getsockopt;
  Call<ssize_t(int, const void*, size_t)> write;
  Call<ssize_t(int, void*, size_t)> read;
  Call<int(pollfd*, nfds_t, int)> poll;
  Call<int(int)> timerfd_settime;
};

inline Calls& calls() {
  static Calls all;
  return all;
}

}  // namespace test
