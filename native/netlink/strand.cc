#include "netlink/strand.h"

#include <utility>

#include "netlink/io_pool.h"

namespace netlink {

Strand::~Strand() {
  for (const auto& [fd, on_readable] : watched_) pool_.Unwatch(fd);
}

void Strand::Post(Task task) { pool_.Post(shared_from_this(), std::move(task)); }

Failure Strand::Watch(int fd, OnReadable on_readable) {
  if (Failure failure = pool_.Watch(shared_from_this(), fd)) return failure;
  watched_[fd] = std::move(on_readable);
  return {};
}

void Strand::Unwatch(int fd) {
  if (watched_.erase(fd) != 0) pool_.Unwatch(fd);
}

void Strand::Resume(int fd) {
  if (watched_.contains(fd)) pool_.Rearm(fd);
}

ReceiveBuffers& Strand::buffers() {
  thread_local ReceiveBuffers buffers;
  return buffers;
}

// One turn: what is queued now, not what it queues.
void Strand::Run() {
  std::vector<int> readable;
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(pool_.mutex_);
    readable.swap(readable_);
    tasks.swap(tasks_);
  }
  for (const int fd : readable) {
    if (pool_.stopping()) return;
    Call(fd);
  }
  for (Task& task : tasks) {
    if (pool_.stopping()) return;
    task();
    task = nullptr;  // releases what it holds before the next one runs
  }
}

void Strand::Call(int fd) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;
  const OnReadable on_readable = found->second;  // it may unwatch itself
  const Rest rest = on_readable();
  if (!watched_.contains(fd)) return;
  if (rest == Rest::kLater) return;
  if (rest == Rest::kNone) return pool_.Rearm(fd);
  const std::lock_guard lock(pool_.mutex_);
  readable_.push_back(fd);
}

void Strand::CallAll() {
  std::vector<int> descriptors;
  descriptors.reserve(watched_.size());
  for (const auto& [fd, on_readable] : watched_) descriptors.push_back(fd);
  for (const int fd : descriptors) Call(fd);
}

}  // namespace netlink
