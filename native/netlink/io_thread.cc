#include "netlink/io_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace netlink {

IoThread::IoThread() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  if (!epoll_.valid() || !wake_.valid() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll");
  }
  // The I/O thread blocks all signals: the program's own threads handle them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

IoThread::~IoThread() { Stop(); }

void IoThread::Post(Task task) {
  if (stopping_) return;  // the posting thread releases what the task holds
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (wake) eventfd_write(wake_.get(), 1);
}

void IoThread::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  eventfd_write(wake_.get(), 1);
  thread_.join();
  std::vector<Task> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(tasks_);
  }
}

Failure IoThread::Watch(int fd, Task on_readable) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  // ENOSPC: the limit of fs.epoll.max_user_watches; ENOMEM.
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return {errno, "watch a file descriptor (epoll_ctl)"};
  watched_[fd] = std::move(on_readable);
  return {};
}

void IoThread::Unwatch(int fd) {
  // EPOLL_CTL_DEL fails only for a descriptor that is not watched: it frees memory and allocates none.
  if (watched_.erase(fd) != 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void IoThread::Run() {
  pthread_setname_np(pthread_self(), "ipvs-io");
  while (!stopping_) {
    std::array<epoll_event, 16> events{};
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) {
      // Another part of the program has closed the epoll descriptor, so nothing reports which socket is readable.
      // All sockets are non-blocking: poll them in turn.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      RunTasks();
      if (!stopping_) AskAll();
      continue;
    }
    for (int i = 0; i < count && !stopping_; ++i) {
      const int fd = events.at(i).data.fd;
      if (fd == wake_.get()) {
        RunTasks();
        continue;
      }
      const auto found = watched_.find(fd);
      if (found == watched_.end()) continue;
      const Task on_readable = found->second;  // it may unwatch itself
      on_readable();
    }
  }
}

void IoThread::AskAll() {
  std::vector<int> descriptors;
  descriptors.reserve(watched_.size());
  for (const auto& [fd, on_readable] : watched_) descriptors.push_back(fd);
  for (const int fd : descriptors) {
    const auto found = watched_.find(fd);
    if (found == watched_.end()) continue;
    const Task on_readable = found->second;  // it may unwatch itself
    on_readable();
  }
}

void IoThread::RunTasks() {
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) {
    if (stopping_) return;
    task();
  }
}

}  // namespace netlink
