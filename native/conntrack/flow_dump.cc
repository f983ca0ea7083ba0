#include "conntrack/flow_dump.h"

namespace conntrack {

using netlink::Failure;

Failure FlowDump::Next(FlowBatch& batch) {
  batch.Clear();
  Failure failure = dump_.Fill(piece_);
  if (failure && attempts_.Again(dump_)) {
    dump_.Restart();
    return {};
  }
  if (!failure) failure = reader_.Read(piece_.messages(), batch);
  ended_ = failure || dump_.ended();
  if (!failure) attempts_.HandOut(batch);
  return failure;
}

void FlowDump::Restart() {
  dump_.Restart();
  attempts_ = {};
  ended_ = false;
}

}  // namespace conntrack
