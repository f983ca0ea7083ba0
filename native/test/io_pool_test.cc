#include "netlink/io_pool.h"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <set>
#include <vector>

#include "test/run_in_thread.h"

using netlink::FileDescriptor;
using netlink::IoPool;
using netlink::Rest;
using netlink::Strand;
using test::Io;

namespace {

std::vector<std::shared_ptr<Strand>> Strands(IoPool& pool, size_t count) {
  std::vector<std::shared_ptr<Strand>> strands;
  for (size_t i = 0; i < count; ++i) strands.push_back(Strand::Create(pool));
  return strands;
}

}  // namespace

TEST_CASE("tasks of a strand run in order, never two at a time, from whichever thread they are posted") {
  Io io;
  std::vector<int> order;
  std::promise<void> done;
  const auto caller = std::this_thread::get_id();
  std::thread::id runner;
  for (int i = 0; i < 1000; ++i) io.strand->Post([&order, i] { order.push_back(i); });
  std::thread([&] {
    io.strand->Post([&] {
      runner = std::this_thread::get_id();
      io.strand->Post([&] { done.set_value(); });  // a task may post the next one
    });
  }).join();
  done.get_future().wait();
  REQUIRE(order.size() == 1000);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(runner != caller);
}

TEST_CASE("many strands at once keep the order of each") {
  constexpr int kTasks = 2000;
  IoPool pool;
  const auto strands = Strands(pool, 40);
  std::vector<std::vector<int>> orders(strands.size());
  for (int i = 0; i < kTasks; ++i) {
    for (size_t s = 0; s < strands.size(); ++s) strands[s]->Post([&order = orders[s], i] { order.push_back(i); });
  }
  for (size_t s = 0; s < strands.size(); ++s) {
    test::RunInThread(*strands[s], [] {});
    CHECK(orders[s].size() == kTasks);
    CHECK(std::is_sorted(orders[s].begin(), orders[s].end()));
  }
  CHECK(pool.threads() <= IoPool::kMostThreads);
}

TEST_CASE("a strand that blocks delays no other strand") {
  IoPool pool;
  const auto strands = Strands(pool, 20);
  std::vector<std::promise<void>> released(strands.size());
  std::vector<std::promise<void>> blocked(strands.size());
  for (size_t s = 0; s < strands.size(); ++s) {
    // The task has its own reference: the promise may be destroyed while it still waits.
    strands[s]->Post([&, s, release = released[s].get_future().share()] {
      blocked[s].set_value();
      release.wait();
    });
  }
  for (auto& each : blocked) each.get_future().wait();  // all of them at the same time
  const auto free = Strand::Create(pool);
  test::RunInThread(*free, [] {});
  for (auto& each : released) each.set_value();
}

TEST_CASE("more blocked strands than threads wait for one another, and all run in the end") {
  IoPool pool;
  const auto strands = Strands(pool, IoPool::kMostThreads + 10);
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<size_t> ran = 0;
  for (const auto& strand : strands) {
    strand->Post([&] {
      released.wait();
      ++ran;
    });
  }
  while (pool.threads() < IoPool::kMostThreads) std::this_thread::yield();
  release.set_value();
  for (const auto& strand : strands) test::RunInThread(*strand, [] {});
  CHECK(ran == strands.size());
  CHECK(pool.threads() <= IoPool::kMostThreads);
}

TEST_CASE("idle strands need no threads") {
  IoPool pool;
  const auto strands = Strands(pool, 1000);
  for (const auto& strand : strands) test::RunInThread(*strand, [] {});
  CHECK(pool.threads() < 10);  // one after the other: few run or end at the same time
}

TEST_CASE("signals are left to the threads of the program") {
  Io io;
  std::promise<bool> blocked;
  io.strand->Post([&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked.set_value(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1);
  });
  CHECK(blocked.get_future().get());
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  CHECK(sigismember(&mine, SIGTERM) == 0);
}

TEST_CASE("Stop waits for the tasks that run, and destroys the others without running them") {
  Io io;
  const auto idle = Strand::Create(io.pool);
  std::promise<void> posted;
  std::promise<void> running;
  bool finished = false;
  int ran = 0;
  const auto held = std::make_shared<int>();
  // While this task waits, the next tasks queue up: the thread takes them from the queue together.
  io.strand->Post([all = posted.get_future().share()] { all.wait(); });
  io.strand->Post([&] {
    running.set_value();
    // Loops until Post() drops a task: then Stop() has begun.
    for (std::weak_ptr<int> taken;;) {
      {
        auto token = std::make_shared<int>();
        taken = token;
        io.strand->Post([token = std::move(token)] {});
      }
      if (taken.expired()) break;
      std::this_thread::yield();
    }
    finished = true;
  });
  for (int i = 0; i < 50; ++i) io.strand->Post([&ran, held] { ++ran; });
  posted.set_value();
  running.get_future().wait();
  for (int i = 0; i < 50; ++i) io.strand->Post([&ran, held] { ++ran; });
  CHECK(held.use_count() == 101);
  io.pool.Stop();
  CHECK(finished);
  CHECK(ran == 0);
  CHECK(held.use_count() == 1);
  CHECK(io.pool.threads() == 0);
}

TEST_CASE("after Stop nothing runs, and stopping again is nothing") {
  Io io;
  io.pool.Stop();
  const auto held = std::make_shared<int>();
  io.strand->Post([held] { FAIL("ran after Stop"); });
  CHECK(held.use_count() == 1);
  io.pool.Stop();
}

TEST_CASE("a task may hold what posts again when it is destroyed, and the last reference to its strand") {
  struct PostsAtTheEnd {
    explicit PostsAtTheEnd(std::shared_ptr<Strand> owner) : strand(std::move(owner)) {}
    std::shared_ptr<Strand> strand;
    ~PostsAtTheEnd() {
      strand->Post([] {});
    }
  };
  IoPool pool;
  auto strand = Strand::Create(pool);
  std::promise<void> running;
  std::promise<void> go;
  strand->Post([&, ahead = go.get_future().share()] {
    running.set_value();
    ahead.wait();
  });
  running.get_future().wait();
  for (int i = 0; i < 10; ++i) strand->Post([owner = std::make_shared<PostsAtTheEnd>(strand)] {});
  strand.reset();
  SUBCASE("run") {}
  SUBCASE("dropped") {
    const auto probe = Strand::Create(pool);
    auto stopped = std::async(std::launch::async, [&] { pool.Stop(); });
    // A task that is dropped at once tells that Stop() has begun.
    for (bool dropped = false; !dropped;) {
      auto held = std::make_shared<int>();
      const std::weak_ptr<int> token = held;
      probe->Post([held = std::move(held)] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
      dropped = token.expired();
    }
    go.set_value();
    stopped.wait();
    return;
  }
  go.set_value();
}

TEST_CASE("a watched descriptor is reported while it is readable, until it is unwatched") {
  Io io;
  Strand& strand = *io.strand;
  const FileDescriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::promise<void> thrice;
  int reported = 0;
  strand.Post([&] {
    const netlink::Failure failure = strand.Watch(event.get(), [&] {
      eventfd_t value = 0;
      eventfd_read(event.get(), &value);
      if (++reported < 3) {
        eventfd_write(event.get(), 1);
        return Rest::kNone;
      }
      strand.Unwatch(event.get());  // in its own callback
      eventfd_write(event.get(), 1);
      thrice.set_value();
      return Rest::kNone;
    });
    CHECK_FALSE(failure);
  });
  eventfd_write(event.get(), 1);
  thrice.get_future().wait();
  test::RunInThread(strand, [] {});
  CHECK(reported == 3);
}

TEST_CASE("a callback that has left something to read is called again, after other tasks") {
  Io io;
  Strand& strand = *io.strand;
  const FileDescriptor event(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  std::promise<void> ended;
  int calls = 0;
  bool between = false;
  strand.Post([&] {
    CHECK_FALSE(strand.Watch(event.get(), [&] {
      if (++calls == 1) {
        eventfd_t value = 0;
        eventfd_read(event.get(), &value);  // nothing reports it any more
        strand.Post([&] { between = true; });
        return Rest::kMaybe;
      }
      strand.Unwatch(event.get());
      ended.set_value();
      return Rest::kNone;
    }));
  });
  ended.get_future().wait();
  test::RunInThread(strand, [] {});
  CHECK(calls == 2);
  CHECK(between);
}
