// Flows to messages of ctnetlink and back.
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
  // Keeps its memory: fresh pages for every piece of a table cost as much as decoding it.
  void Clear() {
    flows.clear();
    extensions.clear();
    text.clear();
  }
  size_t bytes() const { return flows.size() * sizeof(Flow) + extensions.size() * sizeof(Extension) + text.size(); }
};

// `payload` begins with the nfgenmsg. Appends a flow; false if it is malformed, then nothing is appended.
bool DecodeFlow(netlink::View payload, FlowBatch& batch);
// Only what flows are grouped and filtered by, but for their states.
bool DecodeFlowBriefly(netlink::View payload, FlowBatch& batch);
std::optional<Expectation> DecodeExpectation(netlink::View payload);

// The counters of one processor, by the number of their attribute.
struct ProcessorStatistics {
  uint32_t processor = 0;
  uint32_t present = 0;  // bit i: values[i] is there
  std::array<uint32_t, 16> values{};
};
static_assert(sizeof(ProcessorStatistics) == 72);
std::optional<ProcessorStatistics> DecodeProcessorStatistics(netlink::View payload);

struct GlobalStatistics {
  uint32_t entries = 0;
  std::optional<uint32_t> maximum;  // from 5.10
};
std::optional<GlobalStatistics> DecodeGlobalStatistics(netlink::View payload);

enum class Verb : uint32_t { kCreate, kUpdate, kDelete };

// What is to be done with a flow; `extension` is for those that have one.
struct Change {
  Verb verb = Verb::kCreate;
  uint32_t unused = 0;
  Flow flow;
  Extension extension;
};
static_assert(sizeof(Change) == 448);

// Whether it names its flow: the kernel takes a delete without a tuple for "delete all".
bool NamesFlow(const Flow& flow);

void EncodeChange(netlink::MessageWriter& writer, const Change& change, uint16_t flags);
void EncodeGet(netlink::MessageWriter& writer, Command command, const Flow& key);
void EncodeDump(netlink::MessageWriter& writer, Command command, const Filter& filter);
// AF_UNSPEC: all flows of the namespace.
void EncodeFlush(netlink::MessageWriter& writer, uint8_t family);
void EncodePlain(netlink::MessageWriter& writer, Command command, uint16_t flags);

void EncodeExpectation(netlink::MessageWriter& writer, const Expectation& expectation);
void EncodeDeleteExpectation(netlink::MessageWriter& writer, const Expectation& key);
void EncodeDumpExpectations(netlink::MessageWriter& writer, uint8_t family);
void EncodeFlushExpectations(netlink::MessageWriter& writer);
void EncodeExpectationStatistics(netlink::MessageWriter& writer);

}  // namespace conntrack
