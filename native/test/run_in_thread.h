// A strand with threads of its own, and work in it, for tests that wait for it.
#pragma once

#include <future>
#include <memory>

#include "netlink/io_pool.h"
#include "netlink/strand.h"

namespace test {

struct Io {
  netlink::IoPool pool;
  std::shared_ptr<netlink::Strand> strand = netlink::Strand::Create(pool);
};

// Runs `work` in the strand and waits for it.
template <typename Work>
void RunInThread(netlink::Strand& strand, Work work) {
  std::promise<void> done;
  strand.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace test
