// The number of buckets of the table. It is one for all namespaces of the machine.
#pragma once

#include <cstdint>

#include "netlink/file_descriptor.h"

namespace conntrack {

class BucketCount {
 public:
  static constexpr const char* kPath = "/proc/sys/net/netfilter/nf_conntrack_buckets";

  explicit BucketCount(const char* path = kPath) : path_(path) {}

  // 0 where the file cannot be read. Takes about a microsecond; the first call opens the file.
  uint32_t Read();

 private:
  const char* path_;
  netlink::FileDescriptor fd_;
};

}  // namespace conntrack
