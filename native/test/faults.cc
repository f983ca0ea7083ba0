#include "test/faults.h"

#include <sys/timerfd.h>
#include <unistd.h>

using test::calls;

// The linker defines these names (ld(1), --wrap).
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

ssize_t __real_sendto(int, const void*, size_t, int, const sockaddr*, socklen_t);
ssize_t __wrap_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t length) {
  if (const auto answer = calls().sendto.Ask(fd, data, size)) return *answer;
  return __real_sendto(fd, data, size, flags, to, length);
}

int __real_recvmmsg(int, mmsghdr*, unsigned, int, timespec*);
int __wrap_recvmmsg(int fd, mmsghdr* headers, unsigned count, int flags, timespec* timeout) {
  if (const auto answer = calls().recvmmsg.Ask(fd, headers, count)) return *answer;
  return __real_recvmmsg(fd, headers, count, flags, timeout);
}

int __real_epoll_ctl(int, int, int, epoll_event*);
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  if (const auto answer = calls().epoll_ctl.Ask(epoll, operation, fd, event)) return *answer;
  return __real_epoll_ctl(epoll, operation, fd, event);
}

int __real_epoll_wait(int, epoll_event*, int, int);
int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  if (const auto answer = calls().epoll_wait.Ask(epoll)) return *answer;
  return __real_epoll_wait(epoll, events, most, timeout);
}

int __real_setsockopt(int, int, int, const void*, socklen_t);
int __wrap_setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
  if (const auto answer = calls().setsockopt.Ask(fd, level, option, value, length)) return *answer;
  return __real_setsockopt(fd, level, option, value, length);
}

int __real_getsockopt(int, int, int, void*, socklen_t*);
int __wrap_getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
  if (const auto answer = calls().getsockopt.Ask(fd, level, option)) return *answer;
  return __real_getsockopt(fd, level, option, value, length);
}

ssize_t __real_write(int, const void*, size_t);
ssize_t __wrap_write(int fd, const void* data, size_t size) {
  if (const auto answer = calls().write.Ask(fd, data, size)) return *answer;
  return __real_write(fd, data, size);
}

ssize_t __real_read(int, void*, size_t);
ssize_t __wrap_read(int fd, void* data, size_t size) {
  if (const auto answer = calls().read.Ask(fd, data, size)) return *answer;
  return __real_read(fd, data, size);
}

int __real_poll(pollfd*, nfds_t, int);
int __wrap_poll(pollfd* polled, nfds_t count, int timeout) {
  if (const auto answer = calls().poll.Ask(polled, count, timeout)) return *answer;
  return __real_poll(polled, count, timeout);
}

int __real_timerfd_settime(int, int, const itimerspec*, itimerspec*);
int __wrap_timerfd_settime(int fd, int flags, const itimerspec* when, itimerspec* before) {
  if (const auto answer = calls().timerfd_settime.Ask(fd)) return *answer;
  return __real_timerfd_settime(fd, flags, when, before);
}
}
// NOLINTEND(bugprone-reserved-identifier)
