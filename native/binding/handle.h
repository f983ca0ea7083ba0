// The base of all JavaScript handles: an environment, and a state that lives in a strand.
#pragma once

#include <napi.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/convert.h"
#include "binding/environment.h"
#include "netlink/channel.h"
#include "netlink/error.h"
#include "netlink/socket.h"
#include "netns/namespace.h"

namespace binding {

template <typename T>
using Done = std::function<void(netlink::Result<T>)>;

inline Napi::Value FromBool(Napi::Env env, bool /*done*/) { return env.Undefined(); }
inline Napi::Value FromNumber(Napi::Env env, uint32_t number) { return Napi::Number::New(env, number); }

// Opens a socket in the given namespace.
inline netlink::Result<netlink::Socket> OpenSocket(const netns::Namespace& network_namespace, int protocol) {
  netlink::Result<netlink::Socket> socket = netlink::Failure{};
  const netlink::Failure failure = network_namespace.Run([&] { socket = netlink::Socket::Open(protocol); });
  if (failure) return failure;
  return socket;
}

// Opens a channel of the given netlink protocol in the given namespace.
inline netlink::Result<std::shared_ptr<netlink::Channel>> OpenChannel(const netns::Namespace& network_namespace,
                                                                      netlink::Strand& strand, int protocol) {
  auto socket = OpenSocket(network_namespace, protocol);
  if (!socket.ok()) return socket.failure();
  return netlink::Channel::Create(strand, std::move(socket.value()));
}

// `State` needs a `strand` as its first member, a `network_namespace`, open(), Clear() and Cancel(id). Each method
// takes the number of its request as the first argument, starts the request, and reports its result through
// Environment::Complete().
template <typename State>
class Handle {
 public:
  explicit Handle(const Napi::Value& environment)
      : environment_(Environment::Unwrap(environment)), state_(std::make_shared<State>()) {
    state_->strand = netlink::Strand::Create(environment_->pool());
  }

  // Garbage collection closes a handle that is still open.
  ~Handle() {
    const auto strand = state_->strand;
    strand->Post([state = std::move(state_)] { state->Clear(); });
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  ThrowawayThreads& threads() { return environment_->threads(); }

  // Posts `work(state, id, done)` to the strand; `convert(env, value)` converts its result to a JavaScript
  // value. EBADF if the handle is closed.
  template <typename T, typename Work, typename Convert>
  void Start(const Napi::CallbackInfo& info, Work work, Convert convert) {
    StartClosed<T>(
        info,
        [work = std::move(work)](State& state, uint32_t id, Done<T> done) {
          if (!state.open()) return done(netlink::Failure{EBADF, ""});
          work(state, id, std::move(done));
        },
        convert);
  }

  template <typename T, typename Work, typename Convert>
  void StartClosed(const Napi::CallbackInfo& info, Work work, Convert convert) {
    StartShared<T>(
        info,
        [work = std::move(work)](const std::shared_ptr<State>& state, uint32_t id, Done<T> done) {
          work(*state, id, std::move(done));
        },
        convert);
  }

  // Gives `work` a shared pointer to the state, for work that continues in later tasks.
  template <typename T, typename Work, typename Convert>
  void StartShared(const Napi::CallbackInfo& info, Work work, Convert convert) {
    const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
    environment_->Begin(info.Env());
    state_->strand->Post([environment = environment_, state = state_, id, work = std::move(work), convert] {
      work(state, id, Done<T>([environment, id, convert](netlink::Result<T> result) {
             if (!result.ok()) return environment->Fail(id, result.failure());
             auto value = std::make_shared<T>(std::move(result.value()));
             environment->Succeed(id, [value, convert](Napi::Env env) -> Napi::Value { return convert(env, *value); });
           }));
    });
  }

  // Opens the namespace of the second argument (a path, or undefined), then runs `work`.
  template <typename T, typename Work, typename Convert>
  void Open(const Napi::CallbackInfo& info, Work work, Convert convert) {
    std::optional<std::string> path;
    if (!info[1].IsUndefined()) path = info[1].As<Napi::String>().Utf8Value();
    StartClosed<T>(
        info,
        [path, work = std::move(work)](State& state, uint32_t id, Done<T> done) {
          if (path) {
            auto opened = netns::Namespace::Open(*path);
            if (!opened.ok()) return done(opened.failure());
            state.network_namespace = std::move(opened.value());
          }
          work(state, id, std::move(done));
        },
        convert);
  }

  void Close(const Napi::CallbackInfo& info) {
    StartClosed<bool>(
        info,
        [](State& state, uint32_t /*id*/, const Done<bool>& done) {
          state.Clear();
          state.network_namespace = {};
          done(true);
        },
        FromBool);
  }

  // Cancels the request with the given number. Cancel() itself is not a request.
  void Cancel(const Napi::CallbackInfo& info) {
    const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
    state_->strand->Post([state = state_, id] { state->Cancel(id); });
  }

  void ReadFiles(const Napi::CallbackInfo& info) {
    Start<std::vector<netns::FileContent>>(
        info,
        [paths = ToStrings(info[1].As<Napi::Array>())](State& state, uint32_t /*id*/,
                                                       const Done<std::vector<netns::FileContent>>& done) {
          std::vector<netns::FileContent> files;
          const netlink::Failure failure = state.network_namespace.Run([&] { files = netns::ReadFiles(paths); });
          done(failure ? netlink::Result<std::vector<netns::FileContent>>(failure) : files);
        },
        FromFiles);
  }

  void WriteFile(const Napi::CallbackInfo& info) {
    Start<bool>(
        info,
        [path = info[1].As<Napi::String>().Utf8Value(), text = info[2].As<Napi::String>().Utf8Value()](
            State& state, uint32_t /*id*/, const Done<bool>& done) {
          netlink::Failure written;
          const netlink::Failure failure = state.network_namespace.Run([&] { written = netns::WriteFile(path, text); });
          if (failure) return done(failure);
          done(written ? netlink::Result<bool>(written) : true);
        },
        FromBool);
  }

 private:
  std::shared_ptr<Environment> environment_;
  std::shared_ptr<State> state_;
};

}  // namespace binding
