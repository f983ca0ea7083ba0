#include "binding/netlink_batch.h"

#include <cstdint>
#include <utility>

#include "binding/convert.h"

namespace binding {

namespace {

// Identifies the wrapped objects, so that Take() rejects any other one.
constexpr napi_type_tag kTag = {0x9d2c5c4a1f6b4e07, 0x8a3be1f0c6d25791};

}  // namespace

void AppendMessages(netlink::Batch& batch, const Napi::Value& bytes, const Napi::Value& offsets) {
  const auto added = ToBytes(bytes);
  const auto places = ToNumbers(offsets);
  netlink::Batch piece;
  piece.bytes.assign(added.begin(), added.end());
  piece.offsets.assign(places.begin(), places.end());
  if (const netlink::Failure failure = netlink::CheckBatch(piece)) throw InvalidArgument(bytes.Env(), failure.message);
  if (batch.size() == 0) {
    batch = std::move(piece);
    return;
  }
  const size_t start = batch.bytes.size();
  if (added.size() > UINT32_MAX - start) throw InvalidArgument(bytes.Env(), "the batch takes more than 4 GiB");
  batch.bytes.insert(batch.bytes.end(), piece.bytes.begin(), piece.bytes.end());
  for (const uint32_t place : piece.offsets) batch.offsets.push_back(static_cast<uint32_t>(start + place));
}

Napi::Function NetlinkBatch::Define(Napi::Env env) {
  return DefineClass(env, "NetlinkBatch", {InstanceMethod<&NetlinkBatch::Append>("append")});
}

NetlinkBatch::NetlinkBatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkBatch>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

netlink::Batch NetlinkBatch::Take(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) {
    throw InvalidArgument(value.Env(), "a NetlinkBatch is expected");
  }
  return std::exchange(Unwrap(value.As<Napi::Object>())->batch_, {});
}

}  // namespace binding
