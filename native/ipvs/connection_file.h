// Reads /proc/net/ip_vs_conn, the only place where the kernel lists IPVS connections
// (ip_vs_conn_seq_show in net/netfilter/ipvs/ip_vs_conn.c).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipvs/record.h"
#include "netlink/error.h"
#include "netlink/file_descriptor.h"
#include "netlink/message_writer.h"

namespace ipvs {

// Appends the connection of one line, and its persistence engine data to `data`. Returns false for the heading and for
// any other line that is not a connection.
bool ParseConnection(std::string_view line, std::vector<Connection>& connections, std::string& data);

class ConnectionFile {
 public:
  // Opens the file in the namespace of the calling thread; the file stays in that namespace.
  static netlink::Result<ConnectionFile> Open();
  // Takes an open file of the same format.
  explicit ConnectionFile(netlink::FileDescriptor fd) : fd_(std::move(fd)) {}

  // Reads further connections: their number (uint32), four unused bytes, the records, the data of the persistence
  // engines. The number is 0 at the end of the file.
  netlink::Result<netlink::Bytes> Next();

 private:
  netlink::FileDescriptor fd_;
  std::string rest_;  // an incomplete line
  bool ended_ = false;
};

}  // namespace ipvs
