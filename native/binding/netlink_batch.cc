#include "binding/netlink_batch.h"

#include <cstdint>
#include <utility>

#include "binding/convert.h"

namespace binding {

using netlink::Batch;

namespace {

// Identifies the wrapped objects, so that Take() rejects any other one.
constexpr napi_type_tag kTag = {0x9d2c5c4a1f6b4e07, 0x8a3be1f0c6d25791};

}  // namespace

Batch ToBatch(const Napi::Value& bytes, const Napi::Value& offsets) {
  const auto messages = ToBytes(bytes);
  const auto places = ToNumbers(offsets);
  Batch batch;
  batch.bytes.assign(messages.begin(), messages.end());
  batch.offsets.assign(places.begin(), places.end());
  if (const netlink::Failure failure = netlink::CheckBatch(batch)) throw InvalidArgument(bytes.Env(), failure.message);
  return batch;
}

Batch Join(std::vector<Batch> pieces) {
  if (pieces.size() == 1) return std::move(pieces.front());
  Batch whole;
  size_t bytes = 0;
  size_t messages = 0;
  for (const Batch& piece : pieces) {
    bytes += piece.bytes.size();
    messages += piece.size();
  }
  whole.bytes.reserve(bytes);
  whole.offsets.reserve(messages);
  for (Batch& piece : pieces) {
    const size_t start = whole.bytes.size();
    for (const uint32_t offset : piece.offsets) whole.offsets.push_back(static_cast<uint32_t>(start + offset));
    whole.bytes.insert(whole.bytes.end(), piece.bytes.begin(), piece.bytes.end());
    piece = {};  // frees its memory
  }
  return whole;
}

Napi::Function NetlinkBatch::Define(Napi::Env env) {
  return DefineClass(env, "NetlinkBatch", {InstanceMethod<&NetlinkBatch::Append>("append")});
}

NetlinkBatch::NetlinkBatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkBatch>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

void NetlinkBatch::Append(const Napi::CallbackInfo& info) {
  Batch piece = ToBatch(info[0], info[1]);
  if (piece.bytes.size() > UINT32_MAX - size_) throw InvalidArgument(info.Env(), "the batch takes more than 4 GiB");
  size_ += piece.bytes.size();
  pieces_.push_back(std::move(piece));
}

std::vector<Batch> NetlinkBatch::Take(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) {
    throw InvalidArgument(value.Env(), "a NetlinkBatch is expected");
  }
  NetlinkBatch* const batch = Unwrap(value.As<Napi::Object>());
  if (batch->pieces_.empty()) throw InvalidArgument(value.Env(), "there is no message");
  batch->size_ = 0;
  return std::exchange(batch->pieces_, {});
}

}  // namespace binding
