// A batch that JavaScript writes in pieces, between turns of the event loop.
#pragma once

#include <napi.h>

#include <vector>

#include "netlink/message_writer.h"

namespace binding {

// Copies messages from a Uint8Array, at the offsets of a Uint32Array. Throws unless they are whole messages, back to
// back.
netlink::Batch ToBatch(const Napi::Value& bytes, const Napi::Value& offsets);

// Returns the messages of all pieces as one batch.
netlink::Batch Join(std::vector<netlink::Batch> pieces);

class NetlinkBatch : public Napi::ObjectWrap<NetlinkBatch> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NetlinkBatch(const Napi::CallbackInfo& info);

  // Returns the pieces of a NetlinkBatch and empties it. Throws for any other value, and if there is no message.
  static std::vector<netlink::Batch> Take(const Napi::Value& value);

 private:
  void Append(const Napi::CallbackInfo& info);

  std::vector<netlink::Batch> pieces_;
  size_t size_ = 0;  // of all pieces, in bytes
};

}  // namespace binding
