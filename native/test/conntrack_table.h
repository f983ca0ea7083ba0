// The kernel's table in a new network namespace: it starts empty, and no other flows are touched.
#pragma once

#include <doctest/doctest.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "conntrack/client.h"
#include "conntrack/flow_dump.h"
#include "test/conntrack_records.h"
#include "test/run_in_thread.h"

namespace test {

// Opens sockets in one new namespace, which lives as long as they do. Returns none if this is not permitted.
inline std::vector<netlink::Socket> SocketsOfNewNamespace(size_t count) {
  std::vector<netlink::Socket> sockets;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    for (size_t i = 0; i < count; ++i) {
      auto socket = netlink::Socket::Open(NETLINK_NETFILTER);
      if (!socket.ok()) return sockets.clear();
      sockets.push_back(std::move(socket.value()));
    }
  }).join();
  return sockets;
}

class Table {
 public:
  explicit Table(size_t more_sockets = 0) {
    sockets = SocketsOfNewNamespace(1 + more_sockets);
    if (sockets.empty()) return;
    InThread([&] { client_.emplace(netlink::Channel::Create(*io.strand, std::move(sockets.back()))); });
    REQUIRE(client_.has_value());
    sockets.pop_back();
    std::vector<conntrack::Change> change(1);
    change[0].verb = conntrack::Verb::kDelete;
    change[0].flow = FlowOf(TupleOf("192.0.2.1", 1, "192.0.2.2", 1));
    usable_ = Apply(std::move(change)) == std::vector{ENOENT};
  }
  ~Table() {
    if (client_) InThread([&] { client_.reset(); });
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Returns false, with a message, if the table is not available: not root, or no conntrack.
  bool usable() const {
    if (!usable_) MESSAGE("skipped: takes root, and a kernel with nf_conntrack_netlink");
    return usable_;
  }

  template <typename Work>
  void InThread(Work work) {
    RunInThread(*io.strand, std::move(work));
  }

  // Returns one errno per change, or a single one if all are rejected together.
  std::vector<int> Apply(std::vector<conntrack::Change> changes) {
    std::promise<std::vector<int>> done;
    InThread([&] {
      client_->Apply(1, changes, [&](netlink::Result<std::vector<netlink::Failure>> result) {
        std::vector<int> codes;
        if (!result.ok()) codes.push_back(result.failure().code);
        for (const auto& outcome : result.ok() ? result.value() : std::vector<netlink::Failure>{}) {
          codes.push_back(outcome.code);
        }
        done.set_value(std::move(codes));
      });
    });
    return done.get_future().get();
  }

  int Apply(conntrack::Verb verb, const conntrack::Flow& flow) {
    return Apply(std::vector{conntrack::Change{verb, 0, flow, {}}}).at(0);
  }

  // Runs `ask(client, done)` and returns its result.
  template <typename T, typename Ask>
  netlink::Result<T> Wait(Ask ask) {
    std::promise<netlink::Result<T>> done;
    InThread([&] { ask(*client_, [&](netlink::Result<T> result) { done.set_value(std::move(result)); }); });
    return done.get_future().get();
  }

  netlink::Result<conntrack::FlowBatch> Get(const conntrack::Flow& key) {
    return Wait<conntrack::FlowBatch>([&](auto& client, auto done) { client.Get(1, key, done); });
  }

  std::vector<netlink::Socket> sockets;  // the requested sockets
  Io io;

 private:
  std::optional<conntrack::Client> client_;
  bool usable_ = false;
};

// Returns a flow that can be created: with a timeout, in seconds.
inline conntrack::Flow Created(const conntrack::Tuple& original, uint32_t timeout = 600) {
  conntrack::Flow flow = FlowOf(original);
  flow.present |= conntrack::kTimeout;
  flow.timeout = timeout;
  return flow;
}

}  // namespace test
