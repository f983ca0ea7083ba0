// Converts bytes to and from hexadecimal text, for tests of wire formats.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace test {

// Converts pairs of hexadecimal digits to bytes; ignores spaces. Allocates exactly the needed size, so that
// AddressSanitizer detects a read beyond the end.
inline netlink::Bytes Hex(std::string_view text) {
  std::string digits;
  for (const char character : text) {
    if (character != ' ') digits += character;
  }
  netlink::Bytes bytes(digits.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

inline std::string ToHex(netlink::View bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<size_t>(byte >> 4)];
    text += kDigits[std::to_integer<size_t>(byte & std::byte{15})];
  }
  return text;
}

// Normalises hexadecimal text for comparison with ToHex().
inline std::string Same(std::string_view text) { return ToHex(Hex(text)); }

inline netlink::Bytes Copy(netlink::View bytes) { return {bytes.begin(), bytes.end()}; }

// Splits a well-formed reply into its messages with their headers, each in its own memory.
inline std::vector<netlink::Bytes> Split(netlink::View answer) {
  std::vector<netlink::Bytes> messages;
  netlink::MessageReader reader(answer);
  netlink::Message message;
  while (reader.Next(message)) {
    messages.emplace_back(message.payload.data() - NLMSG_HDRLEN, message.payload.data() + message.payload.size());
  }
  return messages;
}

// Returns the payloads of all messages of one type.
inline std::vector<netlink::Bytes> Payloads(netlink::View answer, unsigned type) {
  std::vector<netlink::Bytes> payloads;
  netlink::MessageReader reader(answer);
  netlink::Message message;
  while (reader.Next(message)) {
    if (message.header.nlmsg_type == type) payloads.push_back(Copy(message.payload));
  }
  return payloads;
}

}  // namespace test
