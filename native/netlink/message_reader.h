// Reads netlink messages and attributes. Every read is bounds-checked: a truncated reply or a wrong length is an error,
// never a fault.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace netlink {

using View = std::span<const std::byte>;

template <typename T>
std::optional<T> ReadAt(View data, size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > data.size() || data.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, data.data() + offset, sizeof value);
  return value;
}

struct Message {
  nlmsghdr header{};
  View payload;  // everything after the header
};

// Iterates over the messages of one datagram.
class MessageReader {
 public:
  explicit MessageReader(View datagram) : rest_(datagram) {}

  // Returns false at the end, and at the first malformed message (then `malformed()` is true).
  bool Next(Message& message);
  bool malformed() const { return malformed_; }

 private:
  View rest_;
  bool malformed_ = false;
};

// Iterates over the attributes of one message or of one nested attribute, in order. The error is sticky: the first
// malformed attribute ends the iteration and marks the whole message, so a decoder checks once, at the end.
class AttributeReader {
 public:
  AttributeReader(View attributes, bool& malformed) : rest_(attributes), malformed_(&malformed) {}

  // Inline, because a dump of a million flows calls it 25 million times.
  bool Next() {
    if (rest_.empty() || *malformed_) return false;
    const auto header = ReadAt<nlattr>(rest_);
    if (!header || header->nla_len < NLA_HDRLEN || header->nla_len > rest_.size()) {
      *malformed_ = true;
      return false;
    }
    type_ = header->nla_type & NLA_TYPE_MASK;
    payload_ = rest_.subspan(NLA_HDRLEN, header->nla_len - NLA_HDRLEN);
    const size_t aligned = NLA_ALIGN(static_cast<size_t>(header->nla_len));
    rest_ = rest_.subspan(aligned < rest_.size() ? aligned : rest_.size());
    return true;
  }
  uint16_t type() const { return type_; }  // without the flag bits (NLA_TYPE_MASK)
  View payload() const { return payload_; }

  template <typename T>
  T Value() {  // in host order
    const auto value = ReadAt<T>(payload_);
    if (!value) *malformed_ = true;
    return value.value_or(T{});
  }
  uint16_t Be16() { return __builtin_bswap16(Value<uint16_t>()); }
  uint32_t Be32() { return __builtin_bswap32(Value<uint32_t>()); }
  uint64_t Be64() { return __builtin_bswap64(Value<uint64_t>()); }
  std::string_view String() const;  // up to its NUL, or to the end
  AttributeReader Nested() const { return {payload_, *malformed_}; }

 private:
  View rest_;
  View payload_;
  uint16_t type_ = 0;
  bool* malformed_;
};

// The content of an NLMSG_ERROR message: an acknowledgement (code 0) or an error.
struct Acknowledgement {
  int code = 0;         // errno, positive
  std::string message;  // NLMSGERR_ATTR_MSG, if any
  // NLMSGERR_ATTR_OFFS: offset of the rejected attribute in the request, in bytes; 0 if the kernel does not report it.
  uint32_t attribute = 0;
};
std::optional<Acknowledgement> ReadAcknowledgement(const Message& message);

}  // namespace netlink
