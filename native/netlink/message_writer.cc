#include "netlink/message_writer.h"

#include <arpa/inet.h>
#include <endian.h>

#include <cerrno>
#include <string>
#include <utility>

namespace netlink {

Failure CheckBatch(const Batch& batch) {
  const size_t size = batch.bytes.size();
  if (batch.offsets.empty()) return {EINVAL, "there is no message"};
  if (batch.offsets.front() != 0) return {EINVAL, "the first message does not begin at 0"};
  for (size_t i = 0; i < batch.offsets.size(); ++i) {
    const std::string number = std::to_string(i);
    const size_t start = batch.offsets[i];
    const size_t end = i + 1 < batch.offsets.size() ? batch.offsets[i + 1] : NLMSG_ALIGN(size);
    if (end < start) return {EINVAL, "the offsets do not ascend behind message " + number};
    uint32_t length = 0;
    if (start > size || size - start < sizeof(nlmsghdr))
      return {EINVAL, "message " + number + " begins beyond the end"};
    std::memcpy(&length, &batch.bytes[start], sizeof length);
    if (length < sizeof(nlmsghdr) || length > size - start || NLMSG_ALIGN(static_cast<size_t>(length)) != end - start) {
      return {EINVAL, "message " + number + " has another length than its offsets"};
    }
  }
  return {};
}

void MessageWriter::Begin(uint16_t type, uint16_t flags) {
  message_ = batch_.bytes.size();
  batch_.offsets.push_back(static_cast<uint32_t>(message_));
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  Fixed(header);
}

void MessageWriter::End() {
  if (batch_.failure) return;
  const auto length = static_cast<uint32_t>(batch_.bytes.size() - message_);
  std::memcpy(&batch_.bytes[message_], &length, sizeof length);
}

bool MessageWriter::HasRoom(size_t bytes) {
  if (!batch_.failure && batch_.bytes.size() + bytes + NLMSG_ALIGNTO > most_) {
    batch_.failure = {EMSGSIZE, "the messages take more than " + std::to_string(most_) + " bytes"};
  }
  return !batch_.failure;
}

bool MessageWriter::IsAttribute(uint16_t type, size_t content) {
  if (!batch_.failure && content > kMostContent) {
    batch_.failure = {EMSGSIZE, "attribute " + std::to_string(type & NLA_TYPE_MASK) + " holds " +
                                    std::to_string(content) + " bytes, and netlink takes at most " +
                                    std::to_string(kMostContent)};
  }
  return !batch_.failure;
}

void MessageWriter::Put(uint16_t type, std::span<const std::byte> payload) {
  if (!IsAttribute(type, payload.size()) || !HasRoom(NLA_HDRLEN + payload.size())) return;
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + payload.size()), type};
  const size_t start = batch_.bytes.size();
  batch_.bytes.resize(start + NLA_ALIGN(static_cast<size_t>(header.nla_len)));
  std::memcpy(&batch_.bytes[start], &header, sizeof header);
  if (!payload.empty()) std::memcpy(&batch_.bytes[start + NLA_HDRLEN], payload.data(), payload.size());
}

void MessageWriter::PutString(uint16_t type, std::string_view text) {
  if (!IsAttribute(type, text.size() + 1) || !HasRoom(NLA_HDRLEN + text.size() + 1)) return;
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + text.size() + 1), type};
  Append(std::as_bytes(std::span(&header, 1)));
  // The span is not made of the text itself: libc++ before 15 has no such constructor.
  Append(std::as_bytes(std::span(text.data(), text.size())));
  batch_.bytes.push_back(std::byte{0});
  Pad();
}

void MessageWriter::PutBe16(uint16_t type, uint16_t value) { PutValue(type, htons(value)); }

void MessageWriter::PutBe32(uint16_t type, uint32_t value) { PutValue(type, htonl(value)); }

void MessageWriter::PutBe64(uint16_t type, uint64_t value) { PutValue(type, htobe64(value)); }

size_t MessageWriter::BeginNested(uint16_t type) {
  const size_t start = batch_.bytes.size();
  if (!HasRoom(NLA_HDRLEN)) return start;
  const nlattr header{0, static_cast<uint16_t>(type | NLA_F_NESTED)};
  Append(std::as_bytes(std::span(&header, 1)));
  return start;
}

void MessageWriter::EndNested(size_t start) {
  if (batch_.failure) return;
  uint16_t type = 0;
  std::memcpy(&type, &batch_.bytes[start + sizeof type], sizeof type);
  const size_t size = batch_.bytes.size() - start;
  if (!IsAttribute(type, size - NLA_HDRLEN)) return;
  const auto length = static_cast<uint16_t>(size);
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
