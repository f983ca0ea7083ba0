// /proc/net/ip_vs_conn: the only place where the kernel lists IPVS connections
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

// Appends the connection of one line, and to `data` what the persistence engine says of it.
// False for the heading and for what is not a connection.
bool ParseConnection(std::string_view line, std::vector<Connection>& connections, std::string& data);

class ConnectionFile {
 public:
  // In the namespace of the calling thread; the file keeps it.
  static netlink::Result<ConnectionFile> Open();
  // A file of that form.
  explicit ConnectionFile(netlink::FileDescriptor fd) : fd_(std::move(fd)) {}

  // Some more connections: their number (uint32), four bytes of nothing, the records, and the
  // engines' data. None when the file is at its end.
  netlink::Result<netlink::Bytes> Next();

 private:
  netlink::FileDescriptor fd_;
  std::string rest_;  // the beginning of a line whose end has not been read
  bool ended_ = false;
};

}  // namespace ipvs
