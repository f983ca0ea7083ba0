// Values of JavaScript to ours and back.
#pragma once

#include <napi.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "ipvs/client.h"
#include "netns/namespace.h"

namespace binding {

// Records come in a Uint8Array, as many as fit.
template <typename T>
std::vector<T> ToRecords(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  std::vector<T> records(array.ByteLength() / sizeof(T));
  if (!records.empty()) std::memcpy(records.data(), array.Data(), records.size() * sizeof(T));
  return records;
}

template <typename T>
T ToRecord(const Napi::Value& value) {
  const auto records = ToRecords<T>(value);
  if (records.empty()) throw Napi::TypeError::New(value.Env(), "a record is expected");
  return records.front();
}

Napi::Value ToArrayBuffer(Napi::Env env, std::span<const std::byte> bytes);

template <typename T>
Napi::Value FromRecords(Napi::Env env, const std::vector<T>& records) {
  return ToArrayBuffer(env, std::as_bytes(std::span(records)));
}

// Per change an errno, 0 for success.
Napi::Value FromOutcomes(Napi::Env env, const std::vector<netlink::Failure>& outcomes);
Napi::Value FromTable(Napi::Env env, const ipvs::Table& table);
Napi::Value FromInfo(Napi::Env env, const ipvs::Info& info);
Napi::Value FromTimeouts(Napi::Env env, const ipvs::Timeouts& timeouts);
Napi::Value FromDaemons(Napi::Env env, const std::vector<ipvs::Daemon>& daemons);
ipvs::Daemon ToDaemon(const Napi::Object& object);
// A string, or the errno for a file that could not be read.
Napi::Value FromFiles(Napi::Env env, const std::vector<netns::FileContent>& files);
std::vector<std::string> ToStrings(const Napi::Array& array);
// Sizes and offsets of the records, for the test that compares them with TypeScript's.
Napi::Object Layout(Napi::Env env);

}  // namespace binding
