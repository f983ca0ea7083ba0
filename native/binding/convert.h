// Converts between JavaScript values and C++ records.
#pragma once

#include <napi.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "ipvs/client.h"
#include "netns/namespace.h"

namespace binding {

// Returns a RangeError with the code ERR_IPVS_INVALID_ARGUMENT, for arguments that no request can carry.
Napi::Error InvalidArgument(Napi::Env env, const std::string& message);

// Return the content of a Uint8Array or a Uint32Array; throw for any other value.
std::span<const std::byte> ToBytes(const Napi::Value& value);
std::span<const uint32_t> ToNumbers(const Napi::Value& value);

// Copies whole records from a Uint8Array; throws if the last one is cut short.
template <typename T>
std::vector<T> ToRecords(const Napi::Value& value) {
  const auto bytes = ToBytes(value);
  if (bytes.size() % sizeof(T) != 0) throw InvalidArgument(value.Env(), "the last record is cut short");
  std::vector<T> records(bytes.size() / sizeof(T));
  if (!records.empty()) std::memcpy(records.data(), bytes.data(), bytes.size());
  return records;
}

template <typename T>
T ToRecord(const Napi::Value& value) {
  const auto records = ToRecords<T>(value);
  if (records.size() != 1) throw InvalidArgument(value.Env(), "one record is expected");
  return records.front();
}

Napi::Value ToArrayBuffer(Napi::Env env, std::span<const std::byte> bytes);

template <typename T>
Napi::Value FromRecords(Napi::Env env, const std::vector<T>& records) {
  return ToArrayBuffer(env, std::as_bytes(std::span(records)));
}

// Returns one errno per change; 0 is success.
Napi::Value FromOutcomes(Napi::Env env, const std::vector<netlink::Failure>& outcomes);
Napi::Value FromTable(Napi::Env env, const ipvs::Table& table);
Napi::Value FromInfo(Napi::Env env, const ipvs::Info& info);
Napi::Value FromTimeouts(Napi::Env env, const ipvs::Timeouts& timeouts);
Napi::Value FromDaemons(Napi::Env env, const std::vector<ipvs::Daemon>& daemons);
ipvs::Daemon ToDaemon(const Napi::Object& object);
// Returns one value per file: its text, or the errno if it could not be read.
Napi::Value FromFiles(Napi::Env env, const std::vector<netns::FileContent>& files);
std::vector<std::string> ToStrings(const Napi::Array& array);
// Returns the sizes and offsets of the records, for the test that compares them with TypeScript's.
Napi::Object Layout(Napi::Env env);

}  // namespace binding
