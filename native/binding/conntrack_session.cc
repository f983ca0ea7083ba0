#include "binding/conntrack_session.h"

#include <linux/netlink.h>

#include <cerrno>
#include <utility>

namespace binding {

using conntrack::EventBatch;
using conntrack::EventStream;
using conntrack::Expectation;
using conntrack::Filter;
using conntrack::Flow;
using conntrack::FlowBatch;
using conntrack::FlowPipe;
using conntrack::FlowReader;
using conntrack::Group;
using netlink::Failure;

namespace {

uint32_t Number(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

struct FlowPiece {
  FlowBatch flows;
  bool more = false;
  std::shared_ptr<BatchPool> pool;  // takes the flows back; null if there are none
};

// Writes one buffer: the numbers of flows, extensions and expectations, 1 if more follow; then the records; then the
// text.
Napi::Value FromBatch(Napi::Env env, const FlowBatch& flows, const std::vector<Expectation>& expectations, bool more) {
  const std::array<uint32_t, 4> counts{static_cast<uint32_t>(flows.flows.size()),
                                       static_cast<uint32_t>(flows.extensions.size()),
                                       static_cast<uint32_t>(expectations.size()), more ? 1U : 0U};
  const std::array<std::span<const std::byte>, 5> parts{
      std::as_bytes(std::span(counts)), std::as_bytes(std::span(flows.flows)),
      std::as_bytes(std::span(flows.extensions)), std::as_bytes(std::span(expectations)),
      std::as_bytes(std::span(flows.text))};
  size_t size = 0;
  for (const auto& part : parts) size += part.size();
  auto buffer = Napi::ArrayBuffer::New(env, size);
  auto* at = static_cast<std::byte*>(buffer.Data());
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return buffer;
}

Napi::Value FromFlows(Napi::Env env, const FlowBatch& flows) { return FromBatch(env, flows, {}, false); }
Napi::Value FromPiece(Napi::Env env, FlowPiece& piece) {
  const Napi::Value value = FromBatch(env, piece.flows, {}, piece.more);
  if (piece.pool) piece.pool->Give(std::move(piece.flows));
  return value;
}
Napi::Value FromEvents(Napi::Env env, const EventBatch& events) {
  return FromBatch(env, events.flows, events.expectations, true);
}

Napi::Value FromGlobalStatistics(Napi::Env env, const conntrack::GlobalStatistics& statistics) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("entries", statistics.entries);
  if (statistics.maximum) object.Set("maximum", *statistics.maximum);
  return object;
}

}  // namespace

FlowBatch BatchPool::Take() {
  const std::lock_guard lock(mutex_);
  if (batches_.empty()) return {};
  FlowBatch batch = std::move(batches_.back());
  batches_.pop_back();
  return batch;
}

void BatchPool::Give(FlowBatch batch) {
  const std::lock_guard lock(mutex_);
  batches_.push_back(std::move(batch));
}

void ConntrackState::Cancel(uint32_t id) {
  if (client) client->Cancel(id);
  for (const auto& [cursor, stream] : events) stream->Cancel(id);
  if (const auto job = aggregates.extract(id)) job.mapped()->done(Failure{ECANCELED, ""});
}

void ConntrackState::Clear() {
  client.reset();
  dumps.clear();
  events.clear();
  for (auto& [id, job] : std::exchange(aggregates, {})) job->done(Failure{ECANCELED, ""});
}

Napi::Function ConntrackSession::Define(Napi::Env env) {
  return DefineClass(env, "ConntrackSession",
                     {
                         InstanceMethod<&ConntrackSession::Open>("open"),
                         InstanceMethod<&ConntrackSession::Close>("close"),
                         InstanceMethod<&ConntrackSession::Cancel>("cancel"),
                         InstanceMethod<&ConntrackSession::Get>("get"),
                         InstanceMethod<&ConntrackSession::Zero>("zero"),
                         InstanceMethod<&ConntrackSession::Apply>("apply"),
                         InstanceMethod<&ConntrackSession::Flush>("flush"),
                         InstanceMethod<&ConntrackSession::ProcessorStatistics>("processorStatistics"),
                         InstanceMethod<&ConntrackSession::GlobalStatistics>("globalStatistics"),
                         InstanceMethod<&ConntrackSession::ExpectationStatistics>("expectationStatistics"),
                         InstanceMethod<&ConntrackSession::ListExpectations>("listExpectations"),
                         InstanceMethod<&ConntrackSession::CreateExpectation>("createExpectation"),
                         InstanceMethod<&ConntrackSession::DeleteExpectation>("deleteExpectation"),
                         InstanceMethod<&ConntrackSession::FlushExpectations>("flushExpectations"),
                         InstanceMethod<&ConntrackSession::OpenFlows>("openFlows"),
                         InstanceMethod<&ConntrackSession::NextFlows>("nextFlows"),
                         InstanceMethod<&ConntrackSession::CloseFlows>("closeFlows"),
                         InstanceMethod<&ConntrackSession::Aggregate>("aggregate"),
                         InstanceMethod<&ConntrackSession::OpenEvents>("openEvents"),
                         InstanceMethod<&ConntrackSession::NextEvents>("nextEvents"),
                         InstanceMethod<&ConntrackSession::CloseEvents>("closeEvents"),
                         InstanceMethod<&ConntrackSession::ReadFiles>("readFiles"),
                         InstanceMethod<&ConntrackSession::WriteFile>("writeFile"),
                     });
}

ConntrackSession::ConntrackSession(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ConntrackSession>(info), handle_(info[0]) {}

void ConntrackSession::Open(const Napi::CallbackInfo& info) {
  handle_.Open<bool>(
      info,
      [](ConntrackState& state, uint32_t /*id*/, const Done<bool>& done) {
        auto channel = OpenChannel(state.network_namespace, *state.strand, NETLINK_NETFILTER);
        if (!channel.ok()) return done(channel.failure());
        state.client.emplace(std::move(channel.value()));
        done(true);
      },
      FromBool);
}

void ConntrackSession::Get(const Napi::CallbackInfo& info) {
  handle_.Start<FlowBatch>(
      info,
      [key = ToRecord<Flow>(info[1])](ConntrackState& state, uint32_t id, Done<FlowBatch> done) {
        state.client->Get(id, key, std::move(done));
      },
      FromFlows);
}

void ConntrackSession::Zero(const Napi::CallbackInfo& info) {
  handle_.Start<FlowBatch>(
      info,
      [keys = ToRecords<Flow>(info[1])](ConntrackState& state, uint32_t id, Done<FlowBatch> done) {
        state.client->Zero(id, keys, std::move(done));
      },
      FromFlows);
}

void ConntrackSession::Apply(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<Failure>>(
      info,
      [changes = ToRecords<conntrack::Change>(info[1])](ConntrackState& state, uint32_t id,
                                                        Done<std::vector<Failure>> done) {
        state.client->Apply(id, changes, std::move(done));
      },
      FromOutcomes);
}

void ConntrackSession::Flush(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [family = static_cast<uint8_t>(Number(info[1]))](ConntrackState& state, uint32_t id, Done<bool> done) {
        state.client->Flush(id, family, std::move(done));
      },
      FromBool);
}

void ConntrackSession::ProcessorStatistics(const Napi::CallbackInfo& info) {
  using Rows = std::vector<conntrack::ProcessorStatistics>;
  handle_.Start<Rows>(
      info,
      [](ConntrackState& state, uint32_t id, Done<Rows> done) {
        state.client->ProcessorStatistics(id, std::move(done));
      },
      FromRecords<conntrack::ProcessorStatistics>);
}

void ConntrackSession::GlobalStatistics(const Napi::CallbackInfo& info) {
  handle_.Start<conntrack::GlobalStatistics>(
      info,
      [](ConntrackState& state, uint32_t id, Done<conntrack::GlobalStatistics> done) {
        state.client->GlobalStatistics(id, std::move(done));
      },
      FromGlobalStatistics);
}

void ConntrackSession::ExpectationStatistics(const Napi::CallbackInfo& info) {
  using Rows = std::vector<conntrack::ProcessorStatistics>;
  handle_.Start<Rows>(
      info,
      [](ConntrackState& state, uint32_t id, Done<Rows> done) {
        state.client->ExpectationStatistics(id, std::move(done));
      },
      FromRecords<conntrack::ProcessorStatistics>);
}

void ConntrackSession::ListExpectations(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<Expectation>>(
      info,
      [family = static_cast<uint8_t>(Number(info[1]))](ConntrackState& state, uint32_t id,
                                                       Done<std::vector<Expectation>> done) {
        state.client->ListExpectations(id, family, std::move(done));
      },
      [](Napi::Env env, const std::vector<Expectation>& expectations) {
        return FromBatch(env, {}, expectations, false);
      });
}

void ConntrackSession::CreateExpectation(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [expectation = ToRecord<Expectation>(info[1])](ConntrackState& state, uint32_t id, Done<bool> done) {
        state.client->CreateExpectation(id, expectation, std::move(done));
      },
      FromBool);
}

void ConntrackSession::DeleteExpectation(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [key = ToRecord<Expectation>(info[1])](ConntrackState& state, uint32_t id, Done<bool> done) {
        state.client->DeleteExpectation(id, key, std::move(done));
      },
      FromBool);
}

void ConntrackSession::FlushExpectations(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [](ConntrackState& state, uint32_t id, Done<bool> done) { state.client->FlushExpectations(id, std::move(done)); },
      FromBool);
}

void ConntrackSession::OpenFlows(const Napi::CallbackInfo& info) {
  const auto asked = static_cast<conntrack::Command>(Number(info[2]));
  // A delete without a tuple would flush the table.
  if (asked != conntrack::Command::kGet && asked != conntrack::Command::kGetDying) {
    throw InvalidArgument(info.Env(), "not a list of flows");
  }
  handle_.Start<uint32_t>(
      info,
      [filter = ToRecord<Filter>(info[1]), command = asked](ConntrackState& state, uint32_t id,
                                                            const Done<uint32_t>& done) {
        auto socket = OpenSocket(state.network_namespace, NETLINK_NETFILTER);
        if (!socket.ok()) return done(socket.failure());
        conntrack::RawDump dump(std::move(socket.value()), command, filter);
        auto flows = FlowPipe::Open(*state.strand, std::move(dump), FlowReader(filter));
        state.dumps.emplace(id, TableReading{std::move(flows)});
        done(id);
      },
      FromNumber);
}

void ConntrackSession::NextFlows(const Napi::CallbackInfo& info) {
  handle_.Start<FlowPiece>(
      info,
      [cursor = Number(info[1])](ConntrackState& state, uint32_t /*id*/, const Done<FlowPiece>& done) {
        const auto dump = state.dumps.find(cursor);
        if (dump == state.dumps.end()) return done(Failure{EBADF, ""});
        auto& [flows, pool] = dump->second;
        if (flows->ended()) return done(FlowPiece{});
        flows->Next(pool->Take(), [flows = flows.get(), pool = pool, done](netlink::Result<FlowBatch> batch) {
          if (!batch.ok()) return done(batch.failure());
          done(FlowPiece{std::move(batch.value()), !flows->ended(), pool});
        });
      },
      FromPiece);
}

void ConntrackSession::CloseFlows(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [cursor = Number(info[1])](ConntrackState& state, uint32_t /*id*/, const Done<bool>& done) {
        state.dumps.erase(cursor);
        done(true);
      },
      FromBool);
}

void ConntrackSession::Aggregate(const Napi::CallbackInfo& info) {
  handle_.StartShared<std::vector<Group>>(
      info,
      [filter = ToRecord<Filter>(info[1]), fields = Number(info[2])](const std::shared_ptr<ConntrackState>& state,
                                                                     uint32_t id, Done<std::vector<Group>> done) {
        if (!state->open()) return done(Failure{EBADF, ""});
        auto socket = OpenSocket(state->network_namespace, NETLINK_NETFILTER);
        if (!socket.ok()) return done(socket.failure());
        const bool brief = (fields & conntrack::kByState) == 0 && (filter.present & conntrack::kState) == 0;
        conntrack::RawDump dump(std::move(socket.value()), conntrack::Command::kGet, filter);
        auto flows = FlowPipe::Open(*state->strand, std::move(dump), FlowReader(filter, brief));
        state->aggregates.emplace(
            id, std::make_unique<AggregateJob>(
                    AggregateJob{std::move(flows), fields, conntrack::Aggregate(fields), {}, std::move(done)}));
        AggregateSome(state, id);
      },
      FromRecords<Group>);
}

void ConntrackSession::OpenEvents(const Napi::CallbackInfo& info) {
  conntrack::EventOptions options;
  const uint32_t flags = Number(info[2]);
  options.filter = ToRecord<Filter>(info[1]);
  options.created = (flags & 1U) != 0;
  options.updated = (flags & 2U) != 0;
  options.destroyed = (flags & 4U) != 0;
  options.expectations = (flags & 8U) != 0;
  options.reliable = (flags & 16U) != 0;
  options.resynchronise = (flags & 32U) != 0;
  options.receive_buffer = Number(info[3]);
  options.interval = Number(info[4]);
  handle_.Start<std::pair<uint32_t, uint32_t>>(
      info,
      [options](ConntrackState& state, uint32_t id, const Done<std::pair<uint32_t, uint32_t>>& done) {
        auto events = OpenSocket(state.network_namespace, NETLINK_NETFILTER);
        if (!events.ok()) return done(events.failure());
        auto dump = OpenSocket(state.network_namespace, NETLINK_NETFILTER);
        if (!dump.ok()) return done(dump.failure());
        auto stream = EventStream::Open(*state.strand, std::move(events.value()), std::move(dump.value()), options);
        if (!stream.ok()) return done(stream.failure());
        const uint32_t size = stream.value()->receive_buffer();
        state.events.emplace(id, std::move(stream.value()));
        done(std::pair(id, size));
      },
      [](Napi::Env env, const std::pair<uint32_t, uint32_t>& opened) {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("cursor", opened.first);
        object.Set("receiveBuffer", opened.second);
        return object;
      });
}

void ConntrackSession::NextEvents(const Napi::CallbackInfo& info) {
  handle_.Start<EventBatch>(
      info,
      [cursor = Number(info[1])](ConntrackState& state, uint32_t id, Done<EventBatch> done) {
        const auto stream = state.events.find(cursor);
        if (stream == state.events.end()) return done(Failure{EBADF, ""});
        stream->second->Next(id, std::move(done));
      },
      FromEvents);
}

void ConntrackSession::CloseEvents(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [cursor = Number(info[1])](ConntrackState& state, uint32_t /*id*/, const Done<bool>& done) {
        state.events.erase(cursor);
        done(true);
      },
      FromBool);
}

}  // namespace binding
