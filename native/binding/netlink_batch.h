// The first messages of a large batch. JavaScript writes it in pieces, between turns of the event loop.
#pragma once

#include <napi.h>

#include "netlink/message_writer.h"

namespace binding {

// Copies the messages of a Uint8Array, at the offsets of a Uint32Array, to the end of the batch. Throws unless they
// are whole messages, back to back.
void AppendMessages(netlink::Batch& batch, const Napi::Value& bytes, const Napi::Value& offsets);

class NetlinkBatch : public Napi::ObjectWrap<NetlinkBatch> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NetlinkBatch(const Napi::CallbackInfo& info);

  // Returns the messages of a NetlinkBatch and empties it. Returns an empty batch for `undefined`.
  static netlink::Batch Take(const Napi::Value& value);

 private:
  void Append(const Napi::CallbackInfo& info) { AppendMessages(batch_, info[0], info[1]); }

  netlink::Batch batch_;
};

}  // namespace binding
