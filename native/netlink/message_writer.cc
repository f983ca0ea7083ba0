#include "netlink/message_writer.h"

#include <arpa/inet.h>

#include <utility>

namespace netlink {

void MessageWriter::Begin(uint16_t type, uint16_t flags) {
  message_ = batch_.bytes.size();
  batch_.offsets.push_back(static_cast<uint32_t>(message_));
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  Fixed(header);
}

void MessageWriter::End() {
  const auto length = static_cast<uint32_t>(batch_.bytes.size() - message_);
  std::memcpy(&batch_.bytes[message_], &length, sizeof length);
}

void MessageWriter::Put(uint16_t type, std::span<const std::byte> payload) {
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + payload.size()), type};
  const size_t start = batch_.bytes.size();
  batch_.bytes.resize(start + NLA_ALIGN(static_cast<size_t>(header.nla_len)));
  std::memcpy(&batch_.bytes[start], &header, sizeof header);
  if (!payload.empty()) std::memcpy(&batch_.bytes[start + NLA_HDRLEN], payload.data(), payload.size());
}

void MessageWriter::PutString(uint16_t type, std::string_view text) {
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + text.size() + 1), type};
  Append(std::as_bytes(std::span(&header, 1)));
  Append(std::as_bytes(std::span(text)));
  batch_.bytes.push_back(std::byte{0});
  Pad();
}

void MessageWriter::PutBe16(uint16_t type, uint16_t value) { PutValue(type, htons(value)); }

void MessageWriter::PutBe32(uint16_t type, uint32_t value) { PutValue(type, htonl(value)); }

void MessageWriter::PutBe64(uint16_t type, uint64_t value) { PutValue(type, htobe64(value)); }

size_t MessageWriter::BeginNested(uint16_t type) {
  const size_t start = batch_.bytes.size();
  const nlattr header{0, static_cast<uint16_t>(type | NLA_F_NESTED)};
  Append(std::as_bytes(std::span(&header, 1)));
  return start;
}

void MessageWriter::EndNested(size_t start) {
  const auto length = static_cast<uint16_t>(batch_.bytes.size() - start);
  std::memcpy(&batch_.bytes[start], &length, sizeof length);
}

void MessageWriter::Reserve(size_t messages, size_t bytes) {
  batch_.offsets.reserve(messages);
  batch_.bytes.reserve(bytes);
}

Batch MessageWriter::Take() { return std::exchange(batch_, {}); }

void MessageWriter::Append(std::span<const std::byte> data) {
  batch_.bytes.insert(batch_.bytes.end(), data.begin(), data.end());
}

void MessageWriter::Pad() { batch_.bytes.resize(NLMSG_ALIGN(batch_.bytes.size())); }

}  // namespace netlink
