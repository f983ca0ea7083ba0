// Reads the number of buckets of the table, which all network namespaces of the machine share.
#pragma once

#include <cstdint>

#include "netlink/file_descriptor.h"

namespace conntrack {

class BucketCount {
 public:
  static constexpr const char* kPath = "/proc/sys/net/netfilter/nf_conntrack_buckets";

  explicit BucketCount(const char* path = kPath) : path_(path) {}

  // Returns 0 if the file cannot be read. Takes about 1 µs; the first call opens the file.
  uint32_t Read();

 private:
  const char* path_;
  netlink::FileDescriptor fd_;
};

}  // namespace conntrack
