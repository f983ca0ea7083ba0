// libFuzzer: whatever bytes come from the kernel, reading them is safe.
//   cmake -S native -B out/fuzz -DFUZZ=ON -DCMAKE_CXX_COMPILER=clang++ && cmake --build out/fuzz -j2
//   out/fuzz/fuzz-decode -max_total_time=60
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/feed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const netlink::View bytes = std::as_bytes(std::span(data, size));
  fuzz::FeedDatagram(bytes);
  fuzz::FeedPayload(bytes);
  fuzz::FeedLine({reinterpret_cast<const char*>(data), size});
  return 0;
}
