#include "netlink/transaction.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace netlink {

namespace {

// Enlarges the send buffer: the kernel accepts a message only if the message and its overhead fit. A buffer that stays
// too small is not a failure of this function: the send reports EMSGSIZE.
Failure MakeRoom(const Socket& socket, size_t bytes) {
  int size = 0;
  socklen_t length = sizeof size;
  if (getsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &size, &length) != 0) {
    return {errno, "read the size of the send buffer"};
  }
  const size_t wanted = bytes + bytes / 4 + 65536;
  if (static_cast<size_t>(size) >= wanted || wanted > INT32_MAX / 2) return {};
  const int enough = static_cast<int>(wanted);
  if (setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &enough, sizeof enough) != 0 &&
      setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &enough, sizeof enough) != 0) {
    return {errno, "set the size of the send buffer"};
  }
  return {};
}

void Take(const Message& message, uint32_t first_sequence, Verdict& verdict) {
  const uint32_t index = message.header.nlmsg_seq - first_sequence;
  if (message.header.nlmsg_type != NLMSG_ERROR || index >= verdict.outcomes.size()) return;
  const auto said = ReadAcknowledgement(message);
  verdict.outcomes[index] = said ? Failure{said->code, said->message} : Failure{EBADMSG, "malformed acknowledgement"};
  verdict.attributes[index] = said ? said->attribute : 0;
}

}  // namespace

Result<Verdict> Transact(const Socket& socket, ReceiveBuffers& buffers, Batch& batch, uint32_t first_sequence) {
  if (batch.failure) return batch.failure;
  for (uint32_t i = 0; i < batch.size(); ++i) {
    const uint32_t sequence = first_sequence + i;
    std::memcpy(&batch.bytes[batch.offsets[i] + offsetof(nlmsghdr, nlmsg_seq)], &sequence, sizeof sequence);
  }
  if (Failure failure = MakeRoom(socket, batch.bytes.size())) return failure;
  if (Failure failure = socket.Send(batch.bytes)) return failure;
  Verdict verdict{std::vector<Failure>(batch.size()), std::vector<uint32_t>(batch.size()), false};
  for (;;) {
    const int count = socket.Receive(buffers);
    if (count == -EAGAIN || count == 0) return verdict;
    if (count == -ENOBUFS) {
      verdict.lost = true;
      continue;
    }
    if (count < 0) return Failure{-count, "receive"};
    for (int i = 0; i < count; ++i) {
      if (!buffers.FromKernel(i)) continue;
      MessageReader reader(buffers.datagram(i));
      Message message;
      while (reader.Next(message)) Take(message, first_sequence, verdict);
      if (reader.malformed() || buffers.truncated(i)) verdict.lost = true;
    }
  }
}

}  // namespace netlink
