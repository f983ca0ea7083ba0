// The JavaScript handle for connection tracking in one network namespace.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "binding/handle.h"
#include "conntrack/aggregate.h"
#include "conntrack/client.h"
#include "conntrack/event_stream.h"
#include "conntrack/flow_pipe.h"

namespace binding {

// A running aggregation: it reads one piece of the table at a time, with other work in between.
struct AggregateJob {
  std::shared_ptr<conntrack::FlowPipe> flows;
  uint32_t fields;
  conntrack::Aggregate aggregate;
  conntrack::FlowBatch batch;
  Done<std::vector<conntrack::Group>> done;
  int interruptions = 0;
};

// Passes emptied batches from the JavaScript thread back to the strand, which fills them again.
class BatchPool {
 public:
  conntrack::FlowBatch Take();
  void Give(conntrack::FlowBatch batch);

 private:
  std::mutex mutex_;
  std::vector<conntrack::FlowBatch> batches_;  // guarded by mutex_
};

// A reading of the table, and the memory that it uses.
struct TableReading {
  std::shared_ptr<conntrack::FlowPipe> flows;
  std::shared_ptr<BatchPool> pool = std::make_shared<BatchPool>();
};

// The part of a session that lives in its strand.
struct ConntrackState {
  std::shared_ptr<netlink::Strand> strand;  // destroyed last: the other members use it
  netns::Namespace network_namespace;
  std::optional<conntrack::Client> client;  // empty: not open yet, or closed
  std::unordered_map<uint32_t, TableReading> dumps;
  std::unordered_map<uint32_t, std::shared_ptr<conntrack::EventStream>> events;
  std::unordered_map<uint32_t, std::unique_ptr<AggregateJob>> aggregates;

  bool open() const { return client.has_value(); }
  void Cancel(uint32_t id);
  void Clear();
};

// Reads one piece of the table, and continues in a later task while the session still has the job with this number.
void AggregateSome(const std::shared_ptr<ConntrackState>& state, uint32_t id);

class ConntrackSession : public Napi::ObjectWrap<ConntrackSession> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ConntrackSession(const Napi::CallbackInfo& info);

 private:
  void Open(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info) { handle_.Close(info); }
  void Cancel(const Napi::CallbackInfo& info) { handle_.Cancel(info); }
  void Get(const Napi::CallbackInfo& info);
  void Zero(const Napi::CallbackInfo& info);
  void Apply(const Napi::CallbackInfo& info);
  void Flush(const Napi::CallbackInfo& info);
  void ProcessorStatistics(const Napi::CallbackInfo& info);
  void GlobalStatistics(const Napi::CallbackInfo& info);
  void ExpectationStatistics(const Napi::CallbackInfo& info);
  void ListExpectations(const Napi::CallbackInfo& info);
  void CreateExpectation(const Napi::CallbackInfo& info);
  void DeleteExpectation(const Napi::CallbackInfo& info);
  void FlushExpectations(const Napi::CallbackInfo& info);
  void OpenFlows(const Napi::CallbackInfo& info);
  void NextFlows(const Napi::CallbackInfo& info);
  void CloseFlows(const Napi::CallbackInfo& info);
  void Aggregate(const Napi::CallbackInfo& info);
  void OpenEvents(const Napi::CallbackInfo& info);
  void NextEvents(const Napi::CallbackInfo& info);
  void CloseEvents(const Napi::CallbackInfo& info);
  void ReadFiles(const Napi::CallbackInfo& info) { handle_.ReadFiles(info); }
  void WriteFile(const Napi::CallbackInfo& info) { handle_.WriteFile(info); }

  Handle<ConntrackState> handle_;
};

}  // namespace binding
