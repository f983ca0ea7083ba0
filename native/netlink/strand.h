// A queue of tasks that run one after another, in whichever thread of an IoPool is free. Each handle has one: its
// requests keep their order, and wait for no other handle.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "netlink/error.h"
#include "netlink/socket.h"

namespace netlink {

class IoPool;

// When a callback is called again: when its descriptor is readable (kNone: nothing is left to read), after other work
// (kMaybe: something may be left), or not before Resume() (kLater).
enum class Rest { kNone, kMaybe, kLater };

class Strand : public std::enable_shared_from_this<Strand> {
 public:
  using Task = std::function<void()>;
  using OnReadable = std::function<Rest()>;

  // The pool outlives its strands.
  static std::shared_ptr<Strand> Create(IoPool& pool) { return std::shared_ptr<Strand>(new Strand(pool)); }
  ~Strand();
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Queues a task; call it from any thread. After IoPool::Stop() the task is dropped.
  void Post(Task task);
  IoPool& pool() { return pool_; }

  // Call the following functions in a task or callback of this strand only, or after IoPool::Stop().
  //
  // Calls `on_readable` when the descriptor is readable. A descriptor has one watcher.
  [[nodiscard]] Failure Watch(int fd, OnReadable on_readable);
  void Unwatch(int fd);
  // Watches a descriptor again whose callback returned kLater.
  void Resume(int fd);
  // Calls the callbacks of all watched descriptors, readable or not.
  void CallAll();
  // Buffers of the thread that runs this task.
  static ReceiveBuffers& buffers();

 private:
  friend class IoPool;
  enum class Phase { kIdle, kReady, kRunning };

  explicit Strand(IoPool& pool) : pool_(pool) {}
  void Run();
  void Call(int fd);

  IoPool& pool_;
  // Guarded by the pool's mutex.
  Phase phase_ = Phase::kIdle;
  std::vector<Task> tasks_;
  std::vector<int> readable_;
  // Used by the thread that runs the strand.
  std::unordered_map<int, OnReadable> watched_;
};

}  // namespace netlink
