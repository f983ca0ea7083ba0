#include "ipvs/connection_file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "netlink/message_reader.h"

namespace ipvs {

namespace {

constexpr size_t kChunk = 64 * 1024;

std::string_view TakeWord(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const auto word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

template <typename T>
bool ParseNumber(std::string_view text, int base, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// Parses an address: eight hexadecimal digits for IPv4; the usual text, on some kernels in brackets, for IPv6.
bool ParseAddress(std::string_view text, Address& address, uint16_t& family) {
  if (text.find(':') == std::string_view::npos) {
    uint32_t value = 0;
    if (!ParseNumber(text, 16, value)) return false;
    value = htonl(value);
    std::memcpy(address.data(), &value, sizeof value);
    family = AF_INET;
    return true;
  }
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  family = AF_INET6;
  return inet_pton(AF_INET6, std::string(text).c_str(), address.data()) == 1;
}

template <size_t N>
void CopyText(std::array<char, N>& to, std::string_view from) {
  std::copy_n(from.begin(), std::min(from.size(), N - 1), to.begin());
}

}  // namespace

bool ParseConnection(std::string_view line, std::vector<Connection>& connections, std::string& data) {
  Connection connection{};
  uint16_t virtual_family = 0;
  CopyText(connection.protocol, TakeWord(line));
  if (!ParseAddress(TakeWord(line), connection.client, connection.family) ||
      !ParseNumber(TakeWord(line), 16, connection.client_port) ||
      !ParseAddress(TakeWord(line), connection.virtual_address, virtual_family) ||
      !ParseNumber(TakeWord(line), 16, connection.virtual_port) ||
      !ParseAddress(TakeWord(line), connection.server, connection.server_family) ||
      !ParseNumber(TakeWord(line), 16, connection.server_port)) {
    return false;
  }
  CopyText(connection.state, TakeWord(line));
  if (!ParseNumber(TakeWord(line), 10, connection.expires)) return false;
  CopyText(connection.engine, TakeWord(line));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  connection.engine_data_offset = static_cast<uint32_t>(data.size());
  connection.engine_data_length = static_cast<uint32_t>(line.size());
  data += line;
  connections.push_back(connection);
  return true;
}

netlink::Result<ConnectionFile> ConnectionFile::Open() {
  // /proc/net shows the namespace of the main thread; /proc/thread-self/net shows that of this thread.
  netlink::FileDescriptor fd(open("/proc/thread-self/net/ip_vs_conn", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return netlink::Failure{errno, "open /proc/net/ip_vs_conn"};
  return ConnectionFile(std::move(fd));
}

netlink::Result<netlink::Bytes> ConnectionFile::Next() {
  std::vector<Connection> connections;
  std::string data;
  std::array<char, kChunk> chunk{};
  while (!ended_ && connections.empty()) {
    const ssize_t count = read(fd_.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return netlink::Failure{errno, "read /proc/net/ip_vs_conn"};
    ended_ = count == 0;
    rest_.append(chunk.data(), static_cast<size_t>(count));
    std::string_view text = rest_;
    for (size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
      ParseConnection(text.substr(0, end), connections, data);
    }
    rest_ = std::string(text);
  }
  netlink::Bytes result;
  if (connections.empty()) return result;
  const std::array<uint32_t, 2> head{static_cast<uint32_t>(connections.size()), 0};
  for (const netlink::View part :
       {netlink::View(std::as_bytes(std::span(head))), netlink::View(std::as_bytes(std::span(connections))),
        netlink::View(std::as_bytes(std::span(data)))}) {
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

}  // namespace ipvs
