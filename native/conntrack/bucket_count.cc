#include "conntrack/bucket_count.h"

#include <fcntl.h>

#include <array>
#include <charconv>

namespace conntrack {

uint32_t BucketCount::Read() {
  if (!fd_.valid()) fd_ = netlink::FileDescriptor(open(path_, O_RDONLY | O_CLOEXEC));
  if (!fd_.valid()) return 0;
  std::array<char, 16> text{};
  const ssize_t length = pread(fd_.get(), text.data(), text.size(), 0);
  uint32_t count = 0;
  if (length > 0) std::from_chars(text.data(), text.data() + length, count);
  return count;
}

}  // namespace conntrack
