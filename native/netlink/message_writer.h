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

namespace netlink {

using Bytes = std::vector<std::byte>;

// Messages back to back, each aligned to 4 bytes, as one sendmsg takes them.
struct Batch {
  Bytes bytes;
  std::vector<uint32_t> offsets;  // of each message in `bytes`

  uint32_t size() const { return static_cast<uint32_t>(offsets.size()); }
};

class MessageWriter {
 public:
  // Room for what is to come, where that is known.
  void Reserve(size_t messages, size_t bytes);
  // The sequence number is given when the message is sent.
  void Begin(uint16_t type, uint16_t flags);
  void End();

  // The fixed part after the netlink header, such as a genlmsghdr.
  template <typename T>
  void Fixed(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
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

  Batch batch_;
  size_t message_ = 0;
};

}  // namespace netlink
