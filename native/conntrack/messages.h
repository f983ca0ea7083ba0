// Encodes and decodes messages of ctnetlink.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conntrack/protocol.h"
#include "conntrack/record.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace conntrack {

struct FlowBatch {
  std::vector<Flow> flows;
  std::vector<Extension> extensions;
  std::string text;

  bool empty() const { return flows.empty(); }
  // Empties the batch but keeps its memory: fresh pages for every piece of a table cost as much as decoding it.
  void Clear() {
    flows.clear();
    extensions.clear();
    text.clear();
  }
  size_t bytes() const { return flows.size() * sizeof(Flow) + extensions.size() * sizeof(Extension) + text.size(); }
};

// Appends a flow to the batch. `payload` starts with the nfgenmsg. Returns false if it is malformed, and appends
// nothing.
bool DecodeFlow(netlink::View payload, FlowBatch& batch);
// Decodes only the fields by which flows are grouped and filtered, without their states.
bool DecodeFlowBriefly(netlink::View payload, FlowBatch& batch);
std::optional<Expectation> DecodeExpectation(netlink::View payload);

// The counters of one processor, indexed by attribute number.
struct ProcessorStatistics {
  uint32_t processor = 0;
  uint32_t present = 0;  // bit i: values[i] is present
  std::array<uint32_t, 16> values{};
};
static_assert(sizeof(ProcessorStatistics) == 72);
std::optional<ProcessorStatistics> DecodeProcessorStatistics(netlink::View payload);

struct GlobalStatistics {
  uint32_t entries = 0;
  std::optional<uint32_t> maximum;  // Linux 5.10 or later
};
std::optional<GlobalStatistics> DecodeGlobalStatistics(netlink::View payload);

enum class Verb : uint32_t { kCreate, kUpdate, kDelete };

// A change to one flow. `extension` counts only if `flow.present` has a bit of kExtended.
struct Change {
  Verb verb = Verb::kCreate;
  uint32_t unused = 0;
  Flow flow;
  Extension extension;
};
static_assert(sizeof(Change) == 448);

// Returns true if `flow` has a whole tuple. The kernel treats a delete without a tuple as "delete all".
bool NamesFlow(const Flow& flow);

void EncodeChange(netlink::MessageWriter& writer, const Change& change, uint16_t flags);
void EncodeGet(netlink::MessageWriter& writer, Command command, const Flow& key);
void EncodeDump(netlink::MessageWriter& writer, Command command, const Filter& filter);
// Encodes a flush of one family; AF_UNSPEC deletes all flows of the namespace.
void EncodeFlush(netlink::MessageWriter& writer, uint8_t family);
void EncodePlain(netlink::MessageWriter& writer, Command command, uint16_t flags);

void EncodeExpectation(netlink::MessageWriter& writer, const Expectation& expectation);
void EncodeDeleteExpectation(netlink::MessageWriter& writer, const Expectation& key);
void EncodeDumpExpectations(netlink::MessageWriter& writer, uint8_t family);
void EncodeFlushExpectations(netlink::MessageWriter& writer);
void EncodeExpectationStatistics(netlink::MessageWriter& writer);

}  // namespace conntrack
