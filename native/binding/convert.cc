#include "binding/convert.h"

#include <algorithm>
#include <cstddef>

namespace binding {

namespace {

using ipvs::Connection;
using ipvs::PackedChange;
using ipvs::Server;
using ipvs::Service;

Napi::Value FromDaemon(Napi::Env env, const ipvs::Daemon& daemon) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("state", daemon.state);
  object.Set("interface", daemon.interface);
  object.Set("syncId", daemon.sync_id);
  object.Set("maxLength", daemon.max_length);
  object.Set("groupFamily", daemon.group_family);
  object.Set("group", Napi::Buffer<uint8_t>::Copy(env, daemon.group.data(), daemon.group.size()));
  object.Set("port", daemon.port);
  object.Set("ttl", daemon.ttl);
  return object;
}

uint32_t Number(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Uint32Value();
}

}  // namespace

Napi::Error InvalidArgument(Napi::Env env, const std::string& message) {
  Napi::Error error = Napi::RangeError::New(env, message);
  error.Set("code", Napi::String::New(env, "ERR_IPVS_INVALID_ARGUMENT"));
  return error;
}

std::span<const std::byte> ToBytes(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw InvalidArgument(value.Env(), "a Uint8Array is expected");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return std::as_bytes(std::span(array.Data(), array.ByteLength()));
}

std::span<const uint32_t> ToNumbers(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throw InvalidArgument(value.Env(), "a Uint32Array is expected");
  }
  const auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.ElementLength()};
}

Napi::Value ToArrayBuffer(Napi::Env env, std::span<const std::byte> bytes) {
  auto buffer = Napi::ArrayBuffer::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  return buffer;
}

Napi::Value FromOutcomes(Napi::Env env, const std::vector<netlink::Failure>& outcomes) {
  auto array = Napi::Int32Array::New(env, outcomes.size());
  std::transform(outcomes.begin(), outcomes.end(), array.Data(), [](const auto& outcome) { return outcome.code; });
  return array;
}

Napi::Value FromTable(Napi::Env env, const ipvs::Table& table) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("services", FromRecords(env, table.services));
  object.Set("servers", FromRecords(env, table.servers));
  return object;
}

Napi::Value FromInfo(Napi::Env env, const ipvs::Info& info) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("version", info.version);
  object.Set("connectionTableSize", info.connection_table_size);
  return object;
}

Napi::Value FromTimeouts(Napi::Env env, const ipvs::Timeouts& timeouts) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("tcp", timeouts.tcp);
  object.Set("tcpFin", timeouts.tcp_fin);
  object.Set("udp", timeouts.udp);
  return object;
}

Napi::Value FromDaemons(Napi::Env env, const std::vector<ipvs::Daemon>& daemons) {
  const Napi::Array array = Napi::Array::New(env, daemons.size());
  for (uint32_t i = 0; i < daemons.size(); ++i) array.Set(i, FromDaemon(env, daemons[i]));
  return array;
}

ipvs::Daemon ToDaemon(const Napi::Object& object) {
  ipvs::Daemon daemon;
  daemon.state = Number(object, "state");
  daemon.interface = object.Get("interface").As<Napi::String>().Utf8Value();
  daemon.sync_id = Number(object, "syncId");
  daemon.max_length = static_cast<uint16_t>(Number(object, "maxLength"));
  daemon.group_family = static_cast<uint16_t>(Number(object, "groupFamily"));
  const auto group = ToBytes(object.Get("group"));
  std::memcpy(daemon.group.data(), group.data(), std::min(group.size(), daemon.group.size()));
  daemon.port = static_cast<uint16_t>(Number(object, "port"));
  daemon.ttl = static_cast<uint8_t>(Number(object, "ttl"));
  return daemon;
}

Napi::Value FromFiles(Napi::Env env, const std::vector<netns::FileContent>& files) {
  const Napi::Array array = Napi::Array::New(env, files.size());
  for (uint32_t i = 0; i < files.size(); ++i) {
    if (files[i].error != 0) {
      array.Set(i, files[i].error);
    } else {
      array.Set(i, files[i].text);
    }
  }
  return array;
}

std::vector<std::string> ToStrings(const Napi::Array& array) {
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return strings;
}

Napi::Object Layout(Napi::Env env) {
  const Napi::Object layout = Napi::Object::New(env);
  const auto set = [&](const char* name, size_t value) { layout.Set(name, static_cast<uint32_t>(value)); };
  set("service.size", sizeof(Service));
  set("service.address", offsetof(Service, address));
  set("service.fwmark", offsetof(Service, fwmark));
  set("service.family", offsetof(Service, family));
  set("service.protocol", offsetof(Service, protocol));
  set("service.port", offsetof(Service, port));
  set("service.scheduler", offsetof(Service, scheduler));
  set("service.engine", offsetof(Service, engine));
  set("service.flags", offsetof(Service, flags));
  set("service.flagsMask", offsetof(Service, flags_mask));
  set("service.timeout", offsetof(Service, timeout));
  set("service.netmask", offsetof(Service, netmask));
  set("service.present", offsetof(Service, present));
  set("service.statistics", offsetof(Service, statistics));
  set("server.size", sizeof(Server));
  set("server.address", offsetof(Server, address));
  set("server.family", offsetof(Server, family));
  set("server.port", offsetof(Server, port));
  set("server.forwarding", offsetof(Server, forwarding));
  set("server.weight", offsetof(Server, weight));
  set("server.upperThreshold", offsetof(Server, upper_threshold));
  set("server.lowerThreshold", offsetof(Server, lower_threshold));
  set("server.active", offsetof(Server, active));
  set("server.inactive", offsetof(Server, inactive));
  set("server.persistent", offsetof(Server, persistent));
  set("server.tunnelType", offsetof(Server, tunnel_type));
  set("server.tunnelPort", offsetof(Server, tunnel_port));
  set("server.tunnelFlags", offsetof(Server, tunnel_flags));
  set("server.present", offsetof(Server, present));
  set("server.service", offsetof(Server, service));
  set("server.statistics", offsetof(Server, statistics));
  set("change.size", sizeof(PackedChange));
  set("change.command", offsetof(PackedChange, command));
  set("change.service", offsetof(PackedChange, service));
  set("change.server", offsetof(PackedChange, server));
  set("connection.size", sizeof(Connection));
  set("connection.client", offsetof(Connection, client));
  set("connection.virtualAddress", offsetof(Connection, virtual_address));
  set("connection.server", offsetof(Connection, server));
  set("connection.family", offsetof(Connection, family));
  set("connection.serverFamily", offsetof(Connection, server_family));
  set("connection.clientPort", offsetof(Connection, client_port));
  set("connection.virtualPort", offsetof(Connection, virtual_port));
  set("connection.serverPort", offsetof(Connection, server_port));
  set("connection.expires", offsetof(Connection, expires));
  set("connection.protocol", offsetof(Connection, protocol));
  set("connection.state", offsetof(Connection, state));
  set("connection.engine", offsetof(Connection, engine));
  set("connection.engineDataOffset", offsetof(Connection, engine_data_offset));
  set("connection.engineDataLength", offsetof(Connection, engine_data_length));
  return layout;
}

}  // namespace binding
