#include "conntrack/flow_pipe.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <set>

#include "test/bytes.h"
#include "test/conntrack_table.h"
#include "test/scripted.h"

using conntrack::Command;
using conntrack::FlowBatch;
using conntrack::FlowPipe;
using conntrack::FlowReader;
using conntrack::RawDump;
using netlink::Failure;
using netlink::Result;

namespace {

// A pipe in a strand, for a test that waits for it.
class Pipe {
 public:
  Pipe(test::Io& io, RawDump dump) : io_(io) {
    test::RunInThread(*io_.strand, [&] { pipe_ = FlowPipe::Open(*io_.strand, std::move(dump), FlowReader({})); });
  }
  ~Pipe() { Close(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  std::future<Result<FlowBatch>> Next() {
    auto done = std::make_shared<std::promise<Result<FlowBatch>>>();
    test::RunInThread(*io_.strand,
                      [&] { pipe_->Next({}, [done](Result<FlowBatch> batch) { done->set_value(std::move(batch)); }); });
    return done->get_future();
  }

  bool ended() const {
    bool ended = false;
    test::RunInThread(*io_.strand, [&] { ended = pipe_->ended(); });
    return ended;
  }

  void Restart() {
    test::RunInThread(*io_.strand, [&] { pipe_->Restart(); });
  }

  void Close() {
    test::RunInThread(*io_.strand, [&] { pipe_.reset(); });
  }

 private:
  test::Io& io_;
  std::shared_ptr<FlowPipe> pipe_;
};

std::multiset<int> Ports(Pipe& pipe) {
  std::multiset<int> ports;
  while (!pipe.ended()) {
    auto batch = pipe.Next().get();
    REQUIRE(batch.ok());
    for (const conntrack::Flow& flow : batch.value().flows) ports.insert(flow.original.source_port);
  }
  return ports;
}

netlink::Socket Opened() {
  auto socket = netlink::Socket::Open(NETLINK_NETFILTER);
  REQUIRE(socket.ok());
  return std::move(socket.value());
}

}  // namespace

TEST_CASE("a pipe returns each flow of the table once, and can start again") {
  test::Table table(1);
  if (!table.usable()) return;
  constexpr size_t kFlows = 4000;
  std::vector<conntrack::Change> changes;
  for (size_t i = 1; i <= kFlows; ++i) {
    const auto port = static_cast<uint16_t>(i);
    changes.push_back(
        {conntrack::Verb::kCreate, 0, test::Created(test::TupleOf("192.0.2.1", port, "192.0.2.2", 53)), {}});
  }
  table.Apply(changes);
  Pipe pipe(table.io, RawDump(std::move(table.sockets[0]), Command::kGet, {}));
  for (int time = 0; time < 2; ++time) {
    const auto ports = Ports(pipe);
    CHECK(ports.size() == kFlows);
    CHECK(std::set<int>(ports.begin(), ports.end()).size() == kFlows);
    auto after = pipe.Next().get();
    REQUIRE(after.ok());
    CHECK(after.value().empty());
    pipe.Restart();
  }
}

TEST_CASE("a pipe reports a failure after the flows before it, and ends") {
  test::Io io;
  netlink::Socket socket = Opened();
  // NLMSG_NOOP, and then an error.
  test::Datagram nothing;
  nothing.bytes = test::Hex("10000000 0100 0000 01000000 00000000");
  test::Datagram error;
  error.error = ENOMEM;
  const test::Script script(socket.fd(), {nothing, error});
  Pipe pipe(io, RawDump(std::move(socket), Command::kGet, {}));
  std::optional<Failure> failure;
  while (!failure) {
    auto batch = pipe.Next().get();
    if (!batch.ok()) failure = batch.failure();
  }
  CHECK(failure->code == ENOMEM);
  CHECK(pipe.ended());
}

TEST_CASE("who waits for a pipe is alone, and is told when it closes") {
  test::Io io;
  netlink::Socket socket = Opened();
  const int fd = socket.fd();
  const test::Script silent(fd, {});
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  const decltype(test::calls().poll)::Fault patient(test::calls().poll,
                                                    [released](pollfd*, nfds_t, int) -> std::optional<int> {
                                                      released.wait();
                                                      return 0;
                                                    });
  Pipe pipe(io, RawDump(std::move(socket), Command::kGet, {}));
  auto waiting = pipe.Next();
  CHECK(pipe.Next().get().failure().code == EBUSY);
  // Closing waits for the receive under way, so that no descriptor is open afterwards.
  auto closed = std::async(std::launch::async, [&] { pipe.Close(); });
  CHECK(closed.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  release.set_value();
  closed.wait();
  CHECK(waiting.get().failure().code == ECANCELED);
  CHECK(fcntl(fd, F_GETFD) == -1);
}
