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

// Messages back to back, each aligned to 4 bytes, as one sendmsg takes them.
struct Batch {
  Bytes bytes;
  std::vector<uint32_t> offsets;  // of each message in `bytes`
  Failure failure;                // the messages cannot be written: do not send them

  uint32_t size() const { return static_cast<uint32_t>(offsets.size()); }
};

// EINVAL for a batch that does not consist of whole messages, one directly behind the other, at its offsets.
// The kernel finds the next message by the length of the one before, so both have to agree.
Failure CheckBatch(const Batch& batch);

// The lengths of an attribute (nla_len) and of a message (nlmsg_len) have 16 and 32 bits. Longer content
// is left out, and the batch carries a failure (EMSGSIZE) that ends whatever would send it.
class MessageWriter {
 public:
  // Bytes in the content of one attribute, nested attributes included.
  static constexpr size_t kMostContent = UINT16_MAX - NLA_HDRLEN;

  // `most`: bytes in a whole batch.
  explicit MessageWriter(size_t most = UINT32_MAX) : most_(most) {}

  // Room for what is to come, where that is known.
  void Reserve(size_t messages, size_t bytes);
  // The sequence number is given when the message is sent.
  void Begin(uint16_t type, uint16_t flags);
  void End();

  // The fixed part after the netlink header, such as a genlmsghdr.
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

  // Returns what EndNested() needs.
  size_t BeginNested(uint16_t type);
  void EndNested(size_t start);

  Batch Take();

 private:
  void Append(std::span<const std::byte> data);
  void Pad();
  // Both record the failure.
  bool HasRoom(size_t bytes);
  bool IsAttribute(uint16_t type, size_t content);

  size_t most_;
  Batch batch_;
  size_t message_ = 0;
};

}  // namespace netlink
