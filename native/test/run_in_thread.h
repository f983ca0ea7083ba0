// Work in the I/O thread, for tests that wait for it.
#pragma once

#include <future>

#include "netlink/io_thread.h"

namespace test {

// Runs `work` in the I/O thread and waits for it.
template <typename Work>
void RunInThread(netlink::IoThread& io, Work work) {
  std::promise<void> done;
  io.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace test
