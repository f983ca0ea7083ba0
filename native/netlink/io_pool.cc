#include "netlink/io_pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

namespace netlink {

namespace {

constexpr int kIdle = 5000;  // ms that a thread waits in vain before it ends
constexpr std::chrono::milliseconds kPollInterval{10};

// Starts a thread that blocks all signals: the program's own threads handle them.
template <typename Work>
std::thread StartQuiet(Work work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread thread(std::move(work));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace

IoPool::IoPool() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  // Edge-triggered: each write wakes one thread, and nobody needs to read.
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = wake_.get();
  if (!epoll_.valid() || !wake_.valid() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll");
  }
  const std::lock_guard lock(mutex_);
  StartThread();
}

IoPool::~IoPool() { Stop(); }

void IoPool::Stop() {
  std::deque<std::shared_ptr<Strand>> left;
  std::vector<Strand::Task> tasks;
  {
    Lock lock(mutex_);
    stopping_ = true;
    Wake();
    gone_.wait(lock, [this] { return threads_.empty(); });
    for (std::thread& thread : ended_) thread.join();
    ended_.clear();
    left.swap(ready_);
    for (const auto& strand : left) {
      for (Strand::Task& task : strand->tasks_) tasks.push_back(std::move(task));
      strand->tasks_.clear();
    }
  }
}

size_t IoPool::threads() {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

// Call it with the mutex held. Where no thread can be started, the strands share those that there are.
void IoPool::StartThread() {
  if (threads_.size() >= kMostThreads) return;
  for (std::thread& thread : ended_) thread.join();  // they have left the mutex and end now
  ended_.clear();
  const auto self = threads_.emplace(threads_.end());
  try {
    *self = StartQuiet([this, self] { Work(self); });
    ++waiting_;
  } catch (const std::system_error&) {
    threads_.erase(self);
    if (threads_.empty()) throw;
  }
}

void IoPool::Wake() const { eventfd_write(wake_.get(), 1); }

// Call it with the mutex held. A thread that goes to work makes sure that the next strand finds a thread.
void IoPool::CallForHelp() {
  if (stopping_) return;
  if (waiting_ == 0) return StartThread();
  if (waking_ >= std::min(ready_.size(), waiting_)) return;
  ++waking_;
  Wake();
}

void IoPool::Post(std::shared_ptr<Strand> strand, Strand::Task task) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;  // the posting thread releases what the task holds
  strand->tasks_.push_back(std::move(task));
  if (strand->phase_ != Strand::Phase::kIdle) return;
  strand->phase_ = Strand::Phase::kReady;
  ready_.push_back(std::move(strand));
  CallForHelp();
}

Failure IoPool::Watch(std::weak_ptr<Strand> strand, int fd) {
  {
    const std::lock_guard lock(mutex_);
    watchers_[fd] = std::move(strand);
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  // ENOSPC: the limit of fs.epoll.max_user_watches; ENOMEM.
  Failure failure{errno, "watch a file descriptor (epoll_ctl)"};
  const std::lock_guard lock(mutex_);
  watchers_.erase(fd);
  return failure;
}

void IoPool::Rearm(int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = fd;
  // EPOLL_CTL_MOD allocates nothing. It fails only if the epoll descriptor was closed; then Wait() asks all watchers.
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void IoPool::Unwatch(int fd) {
  // EPOLL_CTL_DEL fails only for a descriptor that is not watched: it frees memory and allocates none.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  const std::lock_guard lock(mutex_);
  watchers_.erase(fd);
}

void IoPool::Work(std::list<std::thread>::iterator self) {
  pthread_setname_np(pthread_self(), "ipvs-io");
  Lock lock(mutex_);
  while (std::shared_ptr<Strand> strand = Next(lock)) {
    strand->phase_ = Strand::Phase::kRunning;
    bool more = true;
    while (more && !stopping_) {
      CallForHelp();
      lock.unlock();
      strand->Run();
      lock.lock();
      more = !strand->tasks_.empty() || !strand->readable_.empty();
      // A strand stays in its thread, whose caches hold its data, unless others wait for a thread.
      if (more && waiting_ == 0 && !ready_.empty()) break;
    }
    ++waiting_;
    if (more) {
      strand->phase_ = Strand::Phase::kReady;
      ready_.push_back(std::move(strand));
      continue;
    }
    strand->phase_ = Strand::Phase::kIdle;
    lock.unlock();
    strand.reset();  // may destroy it
    lock.lock();
  }
  if (stopping_) Wake();  // for the next thread
  ended_.splice(ended_.end(), threads_, self);
  if (threads_.empty()) gone_.notify_all();
}

// Returns null if this thread must end.
std::shared_ptr<Strand> IoPool::Next(Lock& lock) {
  while (!stopping_ && ready_.empty()) {
    if (!Wait(lock)) break;
  }
  --waiting_;
  if (stopping_ || ready_.empty()) return nullptr;
  std::shared_ptr<Strand> next = std::move(ready_.front());
  ready_.pop_front();
  return next;
}

// Waits for a report of the kernel or for Wake(). Returns false if this thread is superfluous.
bool IoPool::Wait(Lock& lock) {
  const bool only = waiting_ == 1;
  lock.unlock();
  epoll_event event{};
  const int count = epoll_wait(epoll_.get(), &event, 1, only ? -1 : kIdle);
  const bool broken = count < 0 && errno != EINTR;
  // Another part of the program has closed the epoll descriptor, so nothing reports which descriptor is readable. All
  // are non-blocking: ask them in turn.
  if (broken) std::this_thread::sleep_for(kPollInterval);
  lock.lock();
  if (broken) ReportAll();
  if (count == 1 && event.data.fd == wake_.get()) waking_ = 0;  // one report stands for all writes before it
  if (count == 1 && event.data.fd != wake_.get()) Report(event.data.fd);
  return count != 0 || waiting_ == 1;
}

// Call it with the mutex held.
void IoPool::Report(int fd) {
  const auto found = watchers_.find(fd);
  if (found == watchers_.end()) return;
  std::shared_ptr<Strand> strand = found->second.lock();
  if (!strand) return;
  strand->readable_.push_back(fd);
  if (strand->phase_ != Strand::Phase::kIdle) return;
  strand->phase_ = Strand::Phase::kReady;
  ready_.push_back(std::move(strand));
}

void IoPool::ReportAll() {
  for (const auto& [fd, strand] : watchers_) Report(fd);
}

}  // namespace netlink
