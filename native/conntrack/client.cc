#include "conntrack/client.h"

#include <cerrno>
#include <utility>

namespace conntrack {

using netlink::Ask;
using netlink::Exchange;
using netlink::Failure;
using netlink::Message;
using netlink::MessageWriter;
using netlink::ReadMany;
using netlink::ReadOne;
using netlink::Tell;

void Client::Get(uint32_t tag, const Flow& key, Done<FlowBatch> done) {
  // The kernel rejects a request without a tuple. The check is the same as before a delete.
  if (!NamesFlow(key)) return done(Failure{EINVAL, "no tuple"});
  Ask<FlowBatch>(
      *channel_, tag, false, [&](MessageWriter& writer) { EncodeGet(writer, Command::kGet, key); }, DecodeFlow,
      std::move(done));
}

void Client::Zero(uint32_t tag, const std::vector<Flow>& keys, Done<FlowBatch> done) {
  if (keys.empty()) return done(FlowBatch{});
  MessageWriter writer;
  for (const Flow& key : keys) {
    if (!NamesFlow(key)) return done(Failure{EINVAL, "no tuple"});
    EncodeGet(writer, Command::kGetAndZero, key);
  }
  auto flows = std::make_shared<FlowBatch>();
  auto malformed = std::make_shared<bool>(false);
  Exchange exchange;
  exchange.batch = writer.Take();
  exchange.tag = tag;
  exchange.on_reply = [flows, malformed](const Message& message) {
    if (!DecodeFlow(message.payload, *flows)) *malformed = true;
  };
  exchange.on_done = [flows, malformed, done = std::move(done)](const std::vector<Failure>& outcomes) {
    for (const Failure& outcome : outcomes) {
      if (outcome && outcome.code != ENOENT) return done(outcome);
    }
    if (*malformed) return done(netlink::kMalformed);
    done(std::move(*flows));
  };
  channel_->Submit(std::move(exchange));
}

void Client::Apply(uint32_t tag, const std::vector<Change>& changes, Done<std::vector<Failure>> done) {
  for (const Change& change : changes) {
    // A delete without a tuple would delete everything.
    if (!NamesFlow(change.flow)) return done(Failure{EINVAL, "a change without a tuple"});
    if (change.verb > Verb::kDelete) return done(Failure{EINVAL, "a change without a verb"});
  }
  MessageWriter writer;
  for (const Change& change : changes) EncodeChange(writer, change, NLM_F_ACK);
  TellAll(*channel_, tag, writer, std::move(done));
}

void Client::Flush(uint32_t tag, uint8_t family, Done<bool> done) {
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeFlush(writer, family); }, std::move(done));
}

void Client::ProcessorStatistics(uint32_t tag, Done<std::vector<conntrack::ProcessorStatistics>> done) {
  Ask<std::vector<conntrack::ProcessorStatistics>>(
      *channel_, tag, true,
      [&](MessageWriter& writer) { EncodePlain(writer, Command::kGetStatisticsByProcessor, NLM_F_DUMP); },
      ReadMany<conntrack::ProcessorStatistics, DecodeProcessorStatistics>, std::move(done));
}

void Client::GlobalStatistics(uint32_t tag, Done<conntrack::GlobalStatistics> done) {
  // The reply has no end marker, so the request asks for an acknowledgement.
  Ask<conntrack::GlobalStatistics>(
      *channel_, tag, false, [&](MessageWriter& writer) { EncodePlain(writer, Command::kGetStatistics, NLM_F_ACK); },
      ReadOne<conntrack::GlobalStatistics, DecodeGlobalStatistics>, std::move(done));
}

void Client::ExpectationStatistics(uint32_t tag, Done<std::vector<conntrack::ProcessorStatistics>> done) {
  Ask<std::vector<conntrack::ProcessorStatistics>>(
      *channel_, tag, true, [&](MessageWriter& writer) { EncodeExpectationStatistics(writer); },
      ReadMany<conntrack::ProcessorStatistics, DecodeProcessorStatistics>, std::move(done));
}

void Client::ListExpectations(uint32_t tag, uint8_t family, Done<std::vector<Expectation>> done) {
  Ask<std::vector<Expectation>>(
      *channel_, tag, true, [&](MessageWriter& writer) { EncodeDumpExpectations(writer, family); },
      ReadMany<Expectation, DecodeExpectation>, std::move(done));
}

void Client::CreateExpectation(uint32_t tag, const Expectation& expectation, Done<bool> done) {
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeExpectation(writer, expectation); }, std::move(done));
}

void Client::DeleteExpectation(uint32_t tag, const Expectation& key, Done<bool> done) {
  // Without a tuple the kernel would delete all expectations.
  if ((key.tuple.present & kHasProtocol) == 0) return done(Failure{EINVAL, "no tuple"});
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeDeleteExpectation(writer, key); }, std::move(done));
}

void Client::FlushExpectations(uint32_t tag, Done<bool> done) {
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeFlushExpectations(writer); }, std::move(done));
}

}  // namespace conntrack
