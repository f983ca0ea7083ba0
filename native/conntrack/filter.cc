#include "conntrack/filter.h"

#include <sys/socket.h>

#include <cstring>

namespace conntrack {

namespace {

bool SamePrefix(const Address& a, const Address& b, uint8_t bits) {
  const size_t whole = bits / 8;
  if (whole > a.size() || std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0 || whole == a.size()) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((a.at(whole) ^ b.at(whole)) & mask) == 0;
}

bool Matches(const TupleFilter& filter, const Tuple& tuple) {
  const Tuple& wanted = filter.tuple;
  const uint8_t present = wanted.present;
  if ((present & (kHasSource | kHasDestination)) != 0 && wanted.family != tuple.family) return false;
  if ((present & kHasSource) != 0 && !SamePrefix(wanted.source, tuple.source, filter.source_prefix)) return false;
  if ((present & kHasDestination) != 0 &&
      !SamePrefix(wanted.destination, tuple.destination, filter.destination_prefix)) {
    return false;
  }
  if ((present & kHasProtocol) != 0 && wanted.protocol != tuple.protocol) return false;
  // A flow without ports (for example ICMP) does not match a port.
  if ((present & kHasSourcePort) != 0 &&
      ((tuple.present & kHasSourcePort) == 0 || wanted.source_port != tuple.source_port)) {
    return false;
  }
  if ((present & kHasDestinationPort) != 0 &&
      ((tuple.present & kHasDestinationPort) == 0 || wanted.destination_port != tuple.destination_port)) {
    return false;
  }
  return true;
}

}  // namespace

bool Matches(const Filter& filter, const Flow& flow) {
  if ((filter.present & kFamily) != 0 && filter.family != flow.original.family) return false;
  // An attribute that the kernel leaves out is 0 in the record, as in the kernel.
  if ((filter.present & kMark) != 0 && (flow.mark & filter.mark_mask) != (filter.mark & filter.mark_mask)) return false;
  if ((filter.present & kStatus) != 0 && (flow.status & filter.status_mask) != (filter.status & filter.status_mask)) {
    return false;
  }
  if ((filter.present & kZone) != 0 && filter.zone != flow.zone) return false;
  if ((filter.present & kState) != 0 && ((flow.present & kState) == 0 || filter.state != flow.state)) return false;
  return Matches(filter.original, flow.original) && Matches(filter.reply, flow.reply);
}

}  // namespace conntrack
