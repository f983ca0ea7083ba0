#include <cerrno>
#include <utility>

#include "binding/conntrack_session.h"

namespace binding {

using conntrack::Flow;
using conntrack::FlowBatch;
using netlink::Failure;

namespace {

// Maximum number of readings of the table if its number of buckets changes during each of them.
constexpr int kAttempts = 20;

void AggregatePiece(const std::shared_ptr<ConntrackState>& state, uint32_t id, netlink::Result<FlowBatch> piece) {
  const auto found = state->aggregates.find(id);
  if (found == state->aggregates.end()) return;
  AggregateJob& job = *found->second;
  Failure failure;
  if (piece.ok()) {
    job.batch = std::move(piece.value());
    for (const Flow& flow : job.batch.flows) job.aggregate.Add(flow);
  } else {
    failure = piece.failure();
  }
  if (failure.code == EINTR && ++job.interruptions < kAttempts) {
    job.aggregate = conntrack::Aggregate(job.fields);
    job.flows->Restart();
    failure = {};
  }
  if (!failure && !job.flows->ended()) {
    return state->strand->Post([weak = std::weak_ptr(state), id] {
      if (const auto again = weak.lock()) AggregateSome(again, id);
    });
  }
  const auto ended = std::move(found->second);
  state->aggregates.erase(found);
  if (failure) return ended->done(failure);
  ended->done(ended->aggregate.groups());
}

}  // namespace

void AggregateSome(const std::shared_ptr<ConntrackState>& state, uint32_t id) {
  const auto found = state->aggregates.find(id);
  if (found == state->aggregates.end()) return;
  AggregateJob& job = *found->second;
  job.flows->Next(std::move(job.batch), [weak = std::weak_ptr(state), id](netlink::Result<FlowBatch> piece) {
    if (const auto again = weak.lock()) AggregatePiece(again, id, std::move(piece));
  });
}

}  // namespace binding
