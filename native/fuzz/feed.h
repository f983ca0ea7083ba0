// Feeds bytes to all readers of kernel data: for the fuzzer, and for the tests with damaged replies. The sanitizers
// detect faults; this file checks the results.
#pragma once

#include <sys/socket.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "conntrack/messages.h"
#include "ipvs/connection_file.h"
#include "ipvs/messages.h"
#include "netlink/generic_family.h"
#include "netlink/message_reader.h"

namespace fuzz {

// Aborts if the condition is false. An optimized build would leave out assert().
inline void Expect(bool condition) {
  if (!condition) std::abort();
}

inline void FeedFlow(netlink::View payload) {
  // The batch already has content, which must stay unchanged.
  conntrack::FlowBatch batch;
  batch.flows.resize(1);
  batch.extensions.resize(1);
  batch.text = "before";
  const bool decoded = conntrack::DecodeFlow(payload, batch);
  Expect(batch.flows.size() == (decoded ? 2U : 1U));
  Expect(batch.extensions.size() <= batch.flows.size() && batch.text.starts_with("before"));
  if (!decoded) {
    Expect(batch.extensions.size() == 1 && batch.text == "before");
    return;
  }
  const conntrack::Flow& flow = batch.flows.back();
  Expect(flow.labels_length <= flow.labels.size());
  Expect((flow.extension == 2) == (batch.extensions.size() == 2));
  Expect((flow.extension == 2) == ((flow.present & conntrack::kExtended) != 0));
  const conntrack::Extension& extension = batch.extensions.back();
  Expect(extension.helper.back() == '\0');
  Expect(extension.text <= batch.text.size() && extension.text_length <= batch.text.size() - extension.text);
}

inline void FeedPayload(netlink::View payload) {
  FeedFlow(payload);
  if (const auto expectation = conntrack::DecodeExpectation(payload)) {
    Expect(expectation->helper.back() == '\0' && expectation->function.back() == '\0');
    Expect(expectation->has_nat <= 1);
  }
  if (const auto statistics = conntrack::DecodeProcessorStatistics(payload)) {
    Expect((statistics->present >> statistics->values.size()) == 0);
  }
  conntrack::DecodeGlobalStatistics(payload);
  if (const auto service = ipvs::DecodeService(payload)) {
    Expect(service->scheduler.back() == '\0' && service->engine.back() == '\0');
    Expect((service->present & ~ipvs::kHasStatistics) == 0);
  }
  if (const auto server = ipvs::DecodeServer(payload)) {
    Expect((server->present & ~(ipvs::kHasStatistics | ipvs::kHasTunnel)) == 0);
  }
  if (const auto daemon = ipvs::DecodeDaemon(payload)) {
    Expect(daemon->interface.find('\0') == std::string::npos);
    Expect(daemon->group_family == AF_UNSPEC || daemon->group_family == AF_INET || daemon->group_family == AF_INET6);
  }
  ipvs::DecodeTimeouts(payload);
  ipvs::DecodeInfo(payload);
  const auto family = netlink::DecodeFamily(payload);
  Expect(!family.ok() || netlink::Result(family).value() >= NLMSG_MIN_TYPE);
}

inline void FeedDatagram(netlink::View datagram) {
  netlink::MessageReader reader(datagram);
  netlink::Message message;
  size_t used = 0;
  while (reader.Next(message)) {
    used += NLMSG_HDRLEN + message.payload.size();
    FeedPayload(message.payload);
    const auto code = netlink::ReadAt<int>(message.payload);
    if (const auto acknowledgement = netlink::ReadAcknowledgement(message)) {
      Expect(acknowledgement->code == -*code);
      Expect(acknowledgement->message.find('\0') == std::string::npos);
    }
  }
  Expect(used <= datagram.size());
}

inline void FeedLine(std::string_view line) {
  std::vector<ipvs::Connection> connections;
  std::string data = "before";
  if (!ipvs::ParseConnection(line, connections, data)) {
    Expect(connections.empty() && data == "before");
    return;
  }
  Expect(connections.size() == 1);
  const ipvs::Connection& connection = connections.front();
  Expect(connection.protocol.back() == '\0' && connection.state.back() == '\0' && connection.engine.back() == '\0');
  Expect(connection.family == AF_INET || connection.family == AF_INET6);
  Expect(connection.server_family == AF_INET || connection.server_family == AF_INET6);
  Expect(connection.engine_data_offset == 6 &&
         connection.engine_data_offset + connection.engine_data_length == data.size());
}

}  // namespace fuzz
