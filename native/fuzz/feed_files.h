// Feeds the content of files to their readers.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/feed.h"

namespace fuzz {

inline void FeedConnectionFile(netlink::View bytes) {
  netlink::FileDescriptor fd(memfd_create("connections", MFD_CLOEXEC));
  Expect(fd.valid());
  Expect(write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  Expect(lseek(fd.get(), 0, SEEK_SET) == 0);
  size_t expected = 0;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    std::vector<ipvs::Connection> connections;
    std::string data;
    if (ipvs::ParseConnection(text.substr(0, end), connections, data)) ++expected;
  }
  ipvs::ConnectionFile file(std::move(fd));
  size_t read = 0;
  for (;;) {
    auto piece = file.Next();
    Expect(piece.ok());
    const netlink::View content(piece.value());
    if (content.empty()) break;
    const auto count = netlink::ReadAt<uint32_t>(content);
    Expect(count && *count > 0);
    read += *count;
    const size_t records = 2 * sizeof(uint32_t) + *count * sizeof(ipvs::Connection);
    Expect(records <= content.size());
    for (size_t i = 0; i < *count; ++i) {
      const auto connection =
          netlink::ReadAt<ipvs::Connection>(content, 2 * sizeof(uint32_t) + i * sizeof(ipvs::Connection));
      Expect(connection->engine_data_offset <= content.size() - records &&
             connection->engine_data_length <= content.size() - records - connection->engine_data_offset);
    }
  }
  Expect(read == expected);
}

inline void FeedDecoders(netlink::View bytes) {
  FeedDatagram(bytes);
  FeedPayload(bytes);
  FeedLine({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace fuzz
