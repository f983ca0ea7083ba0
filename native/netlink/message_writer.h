// Writes netlink messages (include/uapi/linux/netlink.h): a header, a fixed part, attributes.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "netlink/error.h"

namespace netlink {

using Bytes = std::vector<std::byte>;

// Messages for one sendmsg, back to back, each aligned to 4 bytes.
struct Batch {
  Bytes bytes;
  std::vector<uint32_t> offsets;  // of each message in `bytes`
  Failure failure;                // if set, a message could not be written: do not send the batch

  uint32_t size() const { return static_cast<uint32_t>(offsets.size()); }
};

// Returns EINVAL unless the batch consists of whole messages, back to back, at its offsets. The kernel finds the next
// message by the length of the previous one, so lengths and offsets must agree.
Failure CheckBatch(const Batch& batch);

// Writes messages into a batch. The lengths of an attribute (nla_len) and of a message (nlmsg_len) have 16 and 32 bits.
// Longer content is left out, and the batch carries a failure (EMSGSIZE), so that it is never sent.
class MessageWriter {
 public:
  // Maximum size of the content of one attribute, in bytes, including nested attributes.
  static constexpr size_t kMostContent = UINT16_MAX - NLA_HDRLEN;

  // `most`: maximum size of the batch, in bytes.
  explicit MessageWriter(size_t most = UINT32_MAX) : most_(most) {}

  // Reserves memory for a known number of messages and bytes.
  void Reserve(size_t messages, size_t bytes);
  // Starts a message. Its sequence number is set when it is sent.
  void Begin(uint16_t type, uint16_t flags);
  void End();

  // Writes the fixed part after the netlink header, for example a genlmsghdr.
  template <typename T>
  void Fixed(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!HasRoom(sizeof value)) return;
    Append(std::as_bytes(std::span(&value, 1)));
    Pad();
  }

  void Put(uint16_t type, std::span<const std::byte> payload);
  void PutString(uint16_t type, std::string_view text);  // with its terminating NUL
  template <typename T>
  void PutValue(uint16_t type, T value) {  // in host order
    static_assert(std::is_trivially_copyable_v<T>);
    Put(type, std::as_bytes(std::span(&value, 1)));
  }
  void PutBe16(uint16_t type, uint16_t value);
  void PutBe32(uint16_t type, uint32_t value);
  void PutBe64(uint16_t type, uint64_t value);

  // Returns the argument for EndNested().
  size_t BeginNested(uint16_t type);
  void EndNested(size_t start);

  Batch Take();

 private:
  void Append(std::span<const std::byte> data);
  void Pad();
  // Both return false and record the failure if the limit is exceeded.
  bool HasRoom(size_t bytes);
  bool IsAttribute(uint16_t type, size_t content);

  size_t most_;
  Batch batch_;
  size_t message_ = 0;
};

}  // namespace netlink
