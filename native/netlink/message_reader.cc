#include "netlink/message_reader.h"

#include <algorithm>

namespace netlink {

namespace {

View Skip(View data, size_t count) { return data.subspan(std::min(count, data.size())); }

}  // namespace

bool MessageReader::Next(Message& message) {
  if (rest_.empty() || malformed_) return false;
  const auto header = ReadAt<nlmsghdr>(rest_);
  if (!header || header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > rest_.size()) {
    malformed_ = true;
    return false;
  }
  message.header = *header;
  message.payload = rest_.subspan(NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN);
  rest_ = Skip(rest_, NLMSG_ALIGN(static_cast<size_t>(header->nlmsg_len)));
  return true;
}

std::string_view AttributeReader::String() const {
  const std::string_view all(reinterpret_cast<const char*>(payload_.data()), payload_.size());
  return all.substr(0, all.find('\0'));
}

std::optional<Acknowledgement> ReadAcknowledgement(const Message& message) {
  const auto error = ReadAt<nlmsgerr>(message.payload);
  // The kernel sends a negative errno, never below -4095 (MAX_ERRNO in linux/err.h).
  if (!error || error->error > 0 || error->error < -4095) return std::nullopt;
  Acknowledgement result{-error->error, {}, 0};
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return result;
  // The payload of the request follows its header, unless the kernel left it out (NLM_F_CAPPED).
  size_t skip = sizeof(nlmsgerr);
  if ((message.header.nlmsg_flags & NLM_F_CAPPED) == 0 && error->msg.nlmsg_len > NLMSG_HDRLEN) {
    skip += NLMSG_ALIGN(static_cast<size_t>(error->msg.nlmsg_len)) - NLMSG_HDRLEN;
  }
  bool malformed = false;
  AttributeReader attributes(Skip(message.payload, skip), malformed);
  while (attributes.Next()) {
    if (attributes.type() == NLMSGERR_ATTR_MSG) result.message = attributes.String();
    if (attributes.type() == NLMSGERR_ATTR_OFFS) result.attribute = attributes.Value<uint32_t>();
  }
  return result;
}

}  // namespace netlink
