#include "binding/session.h"

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

namespace {

Napi::Value FromBool(Napi::Env env, bool /*done*/) { return env.Undefined(); }

Result<ipvs::Client> Connect(netlink::IoThread& io, const netns::Namespace& network_namespace) {
  Result<netlink::Socket> socket = Failure{};
  if (const Failure failure = network_namespace.Run([&] { socket = netlink::Socket::Open(NETLINK_GENERIC); })) {
    return failure;
  }
  if (!socket.ok()) return socket.failure();
  return ipvs::Client(io, std::move(socket.value()));
}

}  // namespace

Napi::Function Session::Define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {
                         InstanceMethod<&Session::Open>("open"),
                         InstanceMethod<&Session::Close>("close"),
                         InstanceMethod<&Session::Cancel>("cancel"),
                         InstanceMethod<&Session::Resolve>("resolve"),
                         InstanceMethod<&Session::Apply>("apply"),
                         InstanceMethod<&Session::GetService>("getService"),
                         InstanceMethod<&Session::ListServices>("listServices"),
                         InstanceMethod<&Session::ListServers>("listServers"),
                         InstanceMethod<&Session::ReadTable>("readTable"),
                         InstanceMethod<&Session::GetInfo>("getInfo"),
                         InstanceMethod<&Session::GetTimeouts>("getTimeouts"),
                         InstanceMethod<&Session::SetTimeouts>("setTimeouts"),
                         InstanceMethod<&Session::ListDaemons>("listDaemons"),
                         InstanceMethod<&Session::StartDaemon>("startDaemon"),
                         InstanceMethod<&Session::StopDaemon>("stopDaemon"),
                         InstanceMethod<&Session::ReadFiles>("readFiles"),
                         InstanceMethod<&Session::WriteFile>("writeFile"),
                         InstanceMethod<&Session::OpenConnections>("openConnections"),
                         InstanceMethod<&Session::NextConnections>("nextConnections"),
                         InstanceMethod<&Session::CloseConnections>("closeConnections"),
                     });
}

Session::Session(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Session>(info),
      environment_(Environment::Unwrap(info[0])),
      state_(std::make_shared<SessionState>()) {}

// A session that nobody closed is closed when it is collected.
Session::~Session() {
  if (!environment_) return;  // the constructor threw
  environment_->io().Post([state = std::move(state_)] {
    state->client.reset();
    state->connections.clear();
  });
}

template <typename T, typename Work, typename Convert>
void Session::StartClosed(const Napi::CallbackInfo& info, Work work, Convert convert) {
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  environment_->Begin(info.Env());
  environment_->io().Post([environment = environment_, state = state_, id, work = std::move(work), convert] {
    work(*state, id, Done<T>([environment, id, convert](Result<T> result) {
      if (!result.ok()) return environment->Fail(id, result.failure());
      auto value = std::make_shared<T>(std::move(result.value()));
      environment->Succeed(id, [value, convert](Napi::Env env) -> Napi::Value { return convert(env, *value); });
    }));
  });
}

template <typename T, typename Work, typename Convert>
void Session::Start(const Napi::CallbackInfo& info, Work work, Convert convert) {
  StartClosed<T>(
      info,
      [work = std::move(work)](SessionState& state, uint32_t id, Done<T> done) {
        if (!state.client) return done(Failure{EBADF, ""});
        work(state, id, std::move(done));
      },
      convert);
}

void Session::Open(const Napi::CallbackInfo& info) {
  std::optional<std::string> path;
  if (info[1].IsString()) path = info[1].As<Napi::String>().Utf8Value();
  StartClosed<uint16_t>(
      info,
      [path, &io = environment_->io()](SessionState& state, uint32_t id, Done<uint16_t> done) {
        if (path) {
          auto opened = netns::Namespace::Open(*path);
          if (!opened.ok()) return done(opened.failure());
          state.network_namespace = std::move(opened.value());
        }
        auto client = Connect(io, state.network_namespace);
        if (!client.ok()) return done(client.failure());
        state.client.emplace(std::move(client.value()));
        state.client->Resolve(id, std::move(done));
      },
      [](Napi::Env env, uint16_t family) { return Napi::Number::New(env, family); });
}

void Session::Close(const Napi::CallbackInfo& info) {
  StartClosed<bool>(
      info,
      [](SessionState& state, uint32_t /*id*/, const Done<bool>& done) {
        state.client.reset();
        state.connections.clear();
        state.network_namespace = {};
        done(true);
      },
      FromBool);
}

// Of another request; this is none itself.
void Session::Cancel(const Napi::CallbackInfo& info) {
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  environment_->io().Post([state = state_, id] {
    if (state->client) state->client->Cancel(id);
  });
}

void Session::Resolve(const Napi::CallbackInfo& info) {
  Start<uint16_t>(
      info, [](SessionState& state, uint32_t id, Done<uint16_t> done) { state.client->Resolve(id, std::move(done)); },
      [](Napi::Env env, uint16_t family) { return Napi::Number::New(env, family); });
}

void Session::Apply(const Napi::CallbackInfo& info) {
  Start<std::vector<Failure>>(
      info,
      [changes = ToRecords<ipvs::Change>(info[1])](SessionState& state, uint32_t id, Done<std::vector<Failure>> done) {
        state.client->Apply(id, changes, std::move(done));
      },
      FromOutcomes);
}

void Session::GetService(const Napi::CallbackInfo& info) {
  Start<Service>(
      info,
      [key = ToRecord<Service>(info[1])](SessionState& state, uint32_t id, Done<Service> done) {
        state.client->GetService(id, key, std::move(done));
      },
      [](Napi::Env env, const Service& service) { return FromRecords(env, std::vector{service}); });
}

void Session::ListServices(const Napi::CallbackInfo& info) {
  Start<std::vector<Service>>(
      info,
      [](SessionState& state, uint32_t id, Done<std::vector<Service>> done) {
        state.client->ListServices(id, std::move(done));
      },
      FromRecords<Service>);
}

void Session::ListServers(const Napi::CallbackInfo& info) {
  Start<std::vector<Server>>(
      info,
      [key = ToRecord<Service>(info[1])](SessionState& state, uint32_t id, Done<std::vector<Server>> done) {
        state.client->ListServers(id, key, std::move(done));
      },
      FromRecords<Server>);
}

void Session::ReadTable(const Napi::CallbackInfo& info) {
  Start<ipvs::Table>(
      info,
      [](SessionState& state, uint32_t id, Done<ipvs::Table> done) { state.client->ReadTable(id, std::move(done)); },
      FromTable);
}

void Session::GetInfo(const Napi::CallbackInfo& info) {
  Start<ipvs::Info>(
      info, [](SessionState& state, uint32_t id, Done<ipvs::Info> done) { state.client->GetInfo(id, std::move(done)); },
      FromInfo);
}

void Session::GetTimeouts(const Napi::CallbackInfo& info) {
  Start<ipvs::Timeouts>(
      info,
      [](SessionState& state, uint32_t id, Done<ipvs::Timeouts> done) {
        state.client->GetTimeouts(id, std::move(done));
      },
      FromTimeouts);
}

void Session::SetTimeouts(const Napi::CallbackInfo& info) {
  const auto number = [&](size_t index) { return info[index].As<Napi::Number>().Uint32Value(); };
  Start<bool>(
      info,
      [timeouts = ipvs::Timeouts{number(1), number(2), number(3)}](SessionState& state, uint32_t id, Done<bool> done) {
        state.client->SetTimeouts(id, timeouts, std::move(done));
      },
      FromBool);
}

void Session::ListDaemons(const Napi::CallbackInfo& info) {
  Start<std::vector<ipvs::Daemon>>(
      info,
      [](SessionState& state, uint32_t id, Done<std::vector<ipvs::Daemon>> done) {
        state.client->ListDaemons(id, std::move(done));
      },
      FromDaemons);
}

void Session::StartDaemon(const Napi::CallbackInfo& info) {
  Start<bool>(
      info,
      [daemon = ToDaemon(info[1].As<Napi::Object>())](SessionState& state, uint32_t id, Done<bool> done) {
        state.client->ChangeDaemon(id, ipvs::Command::kNewDaemon, daemon, std::move(done));
      },
      FromBool);
}

void Session::StopDaemon(const Napi::CallbackInfo& info) {
  ipvs::Daemon daemon;
  daemon.state = info[1].As<Napi::Number>().Uint32Value();
  Start<bool>(
      info,
      [daemon](SessionState& state, uint32_t id, Done<bool> done) {
        state.client->ChangeDaemon(id, ipvs::Command::kDelDaemon, daemon, std::move(done));
      },
      FromBool);
}

void Session::ReadFiles(const Napi::CallbackInfo& info) {
  Start<std::vector<netns::FileContent>>(
      info,
      [paths = ToStrings(info[1].As<Napi::Array>())](SessionState& state, uint32_t /*id*/,
                                                     const Done<std::vector<netns::FileContent>>& done) {
        std::vector<netns::FileContent> files;
        const Failure failure = state.network_namespace.Run([&] { files = netns::ReadFiles(paths); });
        done(failure ? Result<std::vector<netns::FileContent>>(failure) : files);
      },
      FromFiles);
}

void Session::WriteFile(const Napi::CallbackInfo& info) {
  Start<bool>(
      info,
      [path = info[1].As<Napi::String>().Utf8Value(), text = info[2].As<Napi::String>().Utf8Value()](
          SessionState& state, uint32_t /*id*/, const Done<bool>& done) {
        int error = 0;
        const Failure failure = state.network_namespace.Run([&] { error = netns::WriteFile(path, text); });
        if (failure) return done(failure);
        done(error != 0 ? Result<bool>(Failure{error, "write " + path}) : true);
      },
      FromBool);
}

void Session::OpenConnections(const Napi::CallbackInfo& info) {
  Start<uint32_t>(
      info,
      [](SessionState& state, uint32_t id, const Done<uint32_t>& done) {
        Result<ipvs::ConnectionFile> file = Failure{};
        const Failure failure = state.network_namespace.Run([&] { file = ipvs::ConnectionFile::Open(); });
        if (failure) return done(failure);
        if (!file.ok()) return done(file.failure());
        state.connections.emplace(id, std::move(file.value()));
        done(id);
      },
      [](Napi::Env env, uint32_t cursor) { return Napi::Number::New(env, cursor); });
}

void Session::NextConnections(const Napi::CallbackInfo& info) {
  Start<netlink::Bytes>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](SessionState& state, uint32_t /*id*/,
                                                          const Done<netlink::Bytes>& done) {
        const auto file = state.connections.find(cursor);
        if (file == state.connections.end()) return done(Failure{EBADF, ""});
        done(file->second.Next());
      },
      [](Napi::Env env, const netlink::Bytes& bytes) { return ToArrayBuffer(env, bytes); });
}

void Session::CloseConnections(const Napi::CallbackInfo& info) {
  Start<bool>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](SessionState& state, uint32_t /*id*/,
                                                          const Done<bool>& done) {
        state.connections.erase(cursor);
        done(true);
      },
      FromBool);
}

}  // namespace binding
