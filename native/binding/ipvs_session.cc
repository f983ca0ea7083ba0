#include "binding/ipvs_session.h"

#include <linux/netlink.h>

#include <cerrno>
#include <string>
#include <utility>

#include "binding/convert.h"

namespace binding {

using ipvs::Server;
using ipvs::Service;
using netlink::Failure;
using netlink::Result;

Napi::Function IpvsSession::Define(Napi::Env env) {
  return DefineClass(env, "IpvsSession",
                     {
                         InstanceMethod<&IpvsSession::Open>("open"),
                         InstanceMethod<&IpvsSession::Close>("close"),
                         InstanceMethod<&IpvsSession::Cancel>("cancel"),
                         InstanceMethod<&IpvsSession::Resolve>("resolve"),
                         InstanceMethod<&IpvsSession::Apply>("apply"),
                         InstanceMethod<&IpvsSession::GetService>("getService"),
                         InstanceMethod<&IpvsSession::ListServices>("listServices"),
                         InstanceMethod<&IpvsSession::ListServers>("listServers"),
                         InstanceMethod<&IpvsSession::ReadTable>("readTable"),
                         InstanceMethod<&IpvsSession::GetInfo>("getInfo"),
                         InstanceMethod<&IpvsSession::GetTimeouts>("getTimeouts"),
                         InstanceMethod<&IpvsSession::SetTimeouts>("setTimeouts"),
                         InstanceMethod<&IpvsSession::ListDaemons>("listDaemons"),
                         InstanceMethod<&IpvsSession::StartDaemon>("startDaemon"),
                         InstanceMethod<&IpvsSession::StopDaemon>("stopDaemon"),
                         InstanceMethod<&IpvsSession::ReadFiles>("readFiles"),
                         InstanceMethod<&IpvsSession::WriteFile>("writeFile"),
                         InstanceMethod<&IpvsSession::OpenConnections>("openConnections"),
                         InstanceMethod<&IpvsSession::NextConnections>("nextConnections"),
                         InstanceMethod<&IpvsSession::CloseConnections>("closeConnections"),
                     });
}

IpvsSession::IpvsSession(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IpvsSession>(info), handle_(info[0]) {}

void IpvsSession::Open(const Napi::CallbackInfo& info) {
  handle_.Open<uint16_t>(
      info,
      [](IpvsState& state, uint32_t id, Done<uint16_t> done) {
        auto channel = OpenChannel(state.network_namespace, *state.strand, NETLINK_GENERIC);
        if (!channel.ok()) return done(channel.failure());
        state.client.emplace(std::move(channel.value()));
        state.client->Resolve(id, std::move(done));
      },
      FromNumber);
}

void IpvsSession::Resolve(const Napi::CallbackInfo& info) {
  handle_.Start<uint16_t>(
      info, [](IpvsState& state, uint32_t id, Done<uint16_t> done) { state.client->Resolve(id, std::move(done)); },
      FromNumber);
}

void IpvsSession::Apply(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<Failure>>(
      info,
      [changes = ToRecords<ipvs::PackedChange>(info[1])](IpvsState& state, uint32_t id,
                                                         Done<std::vector<Failure>> done) {
        state.client->Apply(id, changes, std::move(done));
      },
      FromOutcomes);
}

void IpvsSession::GetService(const Napi::CallbackInfo& info) {
  handle_.Start<Service>(
      info,
      [key = ToRecord<Service>(info[1])](IpvsState& state, uint32_t id, Done<Service> done) {
        state.client->GetService(id, key, std::move(done));
      },
      [](Napi::Env env, const Service& service) { return FromRecords(env, std::vector{service}); });
}

void IpvsSession::ListServices(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<Service>>(
      info,
      [](IpvsState& state, uint32_t id, Done<std::vector<Service>> done) {
        state.client->ListServices(id, std::move(done));
      },
      FromRecords<Service>);
}

void IpvsSession::ListServers(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<Server>>(
      info,
      [key = ToRecord<Service>(info[1])](IpvsState& state, uint32_t id, Done<std::vector<Server>> done) {
        state.client->ListServers(id, key, std::move(done));
      },
      FromRecords<Server>);
}

void IpvsSession::ReadTable(const Napi::CallbackInfo& info) {
  handle_.Start<ipvs::Table>(
      info, [](IpvsState& state, uint32_t id, Done<ipvs::Table> done) { state.client->ReadTable(id, std::move(done)); },
      FromTable);
}

void IpvsSession::GetInfo(const Napi::CallbackInfo& info) {
  handle_.Start<ipvs::Info>(
      info, [](IpvsState& state, uint32_t id, Done<ipvs::Info> done) { state.client->GetInfo(id, std::move(done)); },
      FromInfo);
}

void IpvsSession::GetTimeouts(const Napi::CallbackInfo& info) {
  handle_.Start<ipvs::Timeouts>(
      info,
      [](IpvsState& state, uint32_t id, Done<ipvs::Timeouts> done) { state.client->GetTimeouts(id, std::move(done)); },
      FromTimeouts);
}

void IpvsSession::SetTimeouts(const Napi::CallbackInfo& info) {
  const auto number = [&](size_t index) { return info[index].As<Napi::Number>().Uint32Value(); };
  handle_.Start<bool>(
      info,
      [timeouts = ipvs::Timeouts{number(1), number(2), number(3)}](IpvsState& state, uint32_t id, Done<bool> done) {
        state.client->SetTimeouts(id, timeouts, std::move(done));
      },
      FromBool);
}

void IpvsSession::ListDaemons(const Napi::CallbackInfo& info) {
  handle_.Start<std::vector<ipvs::Daemon>>(
      info,
      [](IpvsState& state, uint32_t id, Done<std::vector<ipvs::Daemon>> done) {
        state.client->ListDaemons(id, std::move(done));
      },
      FromDaemons);
}

void IpvsSession::StartDaemon(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [daemon = ToDaemon(info[1].As<Napi::Object>())](IpvsState& state, uint32_t id, Done<bool> done) {
        state.client->ChangeDaemon(id, ipvs::Command::kNewDaemon, daemon, std::move(done));
      },
      FromBool);
}

void IpvsSession::StopDaemon(const Napi::CallbackInfo& info) {
  ipvs::Daemon daemon;
  daemon.state = info[1].As<Napi::Number>().Uint32Value();
  handle_.Start<bool>(
      info,
      [daemon](IpvsState& state, uint32_t id, Done<bool> done) {
        state.client->ChangeDaemon(id, ipvs::Command::kDelDaemon, daemon, std::move(done));
      },
      FromBool);
}

void IpvsSession::OpenConnections(const Napi::CallbackInfo& info) {
  handle_.Start<uint32_t>(
      info,
      [](IpvsState& state, uint32_t id, const Done<uint32_t>& done) {
        Result<ipvs::ConnectionFile> file = Failure{};
        const Failure failure = state.network_namespace.Run([&] { file = ipvs::ConnectionFile::Open(); });
        if (failure) return done(failure);
        if (!file.ok()) return done(file.failure());
        state.connections.emplace(id, std::move(file.value()));
        done(id);
      },
      FromNumber);
}

void IpvsSession::NextConnections(const Napi::CallbackInfo& info) {
  handle_.Start<netlink::Bytes>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](IpvsState& state, uint32_t /*id*/,
                                                          const Done<netlink::Bytes>& done) {
        const auto file = state.connections.find(cursor);
        if (file == state.connections.end()) return done(Failure{EBADF, ""});
        done(file->second.Next());
      },
      [](Napi::Env env, const netlink::Bytes& bytes) { return ToArrayBuffer(env, bytes); });
}

void IpvsSession::CloseConnections(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](IpvsState& state, uint32_t /*id*/, const Done<bool>& done) {
        state.connections.erase(cursor);
        done(true);
      },
      FromBool);
}

}  // namespace binding
