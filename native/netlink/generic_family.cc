#include "netlink/generic_family.h"

#include <linux/genetlink.h>

#include <cerrno>
#include <memory>
#include <utility>

namespace netlink {

Batch EncodeResolveFamily(std::string_view name) {
  MessageWriter writer;
  writer.Begin(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK);
  writer.Fixed(genlmsghdr{CTRL_CMD_GETFAMILY, 1, 0});
  writer.PutString(CTRL_ATTR_FAMILY_NAME, name);
  writer.End();
  return writer.Take();
}

Result<uint16_t> DecodeFamily(View payload) {
  uint16_t id = 0;
  bool malformed = payload.size() < GENL_HDRLEN;
  if (!malformed) {
    AttributeReader attributes(payload.subspan(GENL_HDRLEN), malformed);
    while (attributes.Next()) {
      if (attributes.type() == CTRL_ATTR_FAMILY_ID) id = attributes.Value<uint16_t>();
    }
  }
  if (malformed || id < NLMSG_MIN_TYPE) return Failure{EBADMSG, "malformed family"};
  return id;
}

void ResolveFamily(Channel& channel, std::string_view name, uint32_t tag, std::function<void(Result<uint16_t>)> done) {
  auto family = std::make_shared<Result<uint16_t>>(Failure{EBADMSG, "no family in the reply"});
  Exchange exchange;
  exchange.batch = EncodeResolveFamily(name);
  exchange.tag = tag;
  exchange.on_reply = [family](const Message& message) { *family = DecodeFamily(message.payload); };
  exchange.on_done = [family, done = std::move(done)](const std::vector<Failure>& outcomes) {
    done(outcomes[0] ? Result<uint16_t>(outcomes[0]) : *family);
  };
  channel.Submit(std::move(exchange));
}

}  // namespace netlink
