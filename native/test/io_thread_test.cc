#include "netlink/io_thread.h"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <future>
#include <memory>
#include <vector>

using netlink::FileDescriptor;
using netlink::IoThread;

TEST_CASE("tasks run in order, in one thread, from whichever thread they are posted") {
  IoThread io;
  std::vector<int> order;
  std::promise<void> done;
  const auto caller = std::this_thread::get_id();
  std::thread::id runner;
  for (int i = 0; i < 1000; ++i) io.Post([&order, i] { order.push_back(i); });
  std::thread([&] {
    io.Post([&] {
      runner = std::this_thread::get_id();
      io.Post([&] { done.set_value(); });  // a task may post the next one
    });
  }).join();
  done.get_future().wait();
  REQUIRE(order.size() == 1000);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(runner != caller);
}

TEST_CASE("signals are left to the threads of the program") {
  IoThread io;
  std::promise<bool> blocked;
  io.Post([&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked.set_value(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1);
  });
  CHECK(blocked.get_future().get());
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  CHECK(sigismember(&mine, SIGTERM) == 0);
}

TEST_CASE("Stop waits for the task that runs, and destroys the others without running them") {
  IoThread io;
  std::promise<void> posted;
  std::promise<void> running;
  bool finished = false;
  int ran = 0;
  const auto held = std::make_shared<int>();
  // While this task waits, the next tasks queue up: the thread takes them from the queue together.
  io.Post([&] { posted.get_future().wait(); });
  io.Post([&] {
    running.set_value();
    // Loops until Post() drops a task: then Stop() has begun.
    for (std::weak_ptr<int> taken;;) {
      {
        auto token = std::make_shared<int>();
        taken = token;
        io.Post([token = std::move(token)] {});
      }
      if (taken.expired()) break;
      std::this_thread::yield();
    }
    finished = true;
  });
  for (int i = 0; i < 50; ++i) io.Post([&ran, held] { ++ran; });
  posted.set_value();
  running.get_future().wait();
  for (int i = 0; i < 50; ++i) io.Post([&ran, held] { ++ran; });
  CHECK(held.use_count() == 101);
  io.Stop();
  CHECK(finished);
  CHECK(ran == 0);
  CHECK(held.use_count() == 1);
}

TEST_CASE("after Stop nothing runs, and stopping again is nothing") {
  IoThread io;
  io.Stop();
  const auto held = std::make_shared<int>();
  io.Post([held] { FAIL("ran after Stop"); });
  CHECK(held.use_count() == 1);
  io.Stop();
}

TEST_CASE("a task may hold what posts again when it is destroyed") {
  struct PostsAtTheEnd {
    explicit PostsAtTheEnd(IoThread& thread) : io(thread) {}
    IoThread& io;
    ~PostsAtTheEnd() {
      io.Post([] {});
    }
  };
  IoThread io;
  std::promise<void> running;
  std::promise<void> go;
  io.Post([&] {
    running.set_value();
    go.get_future().wait();
  });
  running.get_future().wait();
  for (int i = 0; i < 10; ++i) io.Post([owner = std::make_shared<PostsAtTheEnd>(io)] {});
  go.set_value();
  io.Stop();
}

TEST_CASE("a watched descriptor is reported while it is readable, until it is unwatched") {
  IoThread io;
  const FileDescriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::promise<void> thrice;
  int reported = 0;
  io.Post([&] {
    const netlink::Failure failure = io.Watch(event.get(), [&] {
      eventfd_t value = 0;
      eventfd_read(event.get(), &value);
      if (++reported < 3) {
        eventfd_write(event.get(), 1);
        return;
      }
      io.Unwatch(event.get());  // in its own callback
      eventfd_write(event.get(), 1);
      thrice.set_value();
    });
    CHECK_FALSE(failure);
  });
  eventfd_write(event.get(), 1);
  thrice.get_future().wait();
  std::promise<void> later;
  io.Post([&] { later.set_value(); });
  later.get_future().wait();
  CHECK(reported == 3);
}
