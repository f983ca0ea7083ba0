#include "binding/netlink_session.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "binding/convert.h"
#include "binding/netlink_batch.h"
#include "netlink/packet_socket.h"
#include "netns/named.h"

// Linux 5.14 has it; the headers of older systems and of musl do not.
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace binding {

using netlink::Batch;
using netlink::Bytes;
using netlink::Exchange;
using netlink::Failure;
using netlink::GroupListener;
using netlink::Heard;
using netlink::Message;
using netlink::Result;
using netlink::Verdict;

namespace {

struct Answer {
  std::vector<Failure> outcomes;
  Bytes replies;  // whole messages, back to back
};

// Returns [index, message, ...] for the requests whose outcome has a message.
Napi::Value FromMessages(Napi::Env env, const std::vector<Failure>& outcomes) {
  const Napi::Array array = Napi::Array::New(env);
  uint32_t length = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].message.empty()) continue;
    array.Set(length++, static_cast<uint32_t>(i));
    array.Set(length++, outcomes[i].message);
  }
  return array;
}

Napi::Value FromAnswer(Napi::Env env, const Answer& answer) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("errnos", FromOutcomes(env, answer.outcomes));
  object.Set("messages", FromMessages(env, answer.outcomes));
  object.Set("replies", ToArrayBuffer(env, answer.replies));
  return object;
}

// Returns the first failure. The kernel executes nothing of a batch with a failure.
Napi::Value FromVerdict(Napi::Env env, const Verdict& verdict) {
  const auto& outcomes = verdict.outcomes;
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& one) { return one.code != 0; });
  const Napi::Object object = Napi::Object::New(env);
  const bool any = failed != outcomes.end();
  object.Set("failed", any ? static_cast<double>(failed - outcomes.begin()) : -1);
  object.Set("errno", any ? failed->code : 0);
  object.Set("message", any ? failed->message : "");
  object.Set("attribute", any ? verdict.attributes[failed - outcomes.begin()] : 0);
  object.Set("lost", verdict.lost);
  return object;
}

Napi::Value FromHeard(Napi::Env env, const Heard& heard) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("messages", ToArrayBuffer(env, heard.messages));
  object.Set("overrun", heard.overrun);
  return object;
}

void Append(Bytes& to, const Message& message) {
  const auto header = std::as_bytes(std::span(&message.header, 1));
  to.insert(to.end(), header.begin(), header.end());
  to.insert(to.end(), message.payload.begin(), message.payload.end());
  to.resize((to.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
}

void Submit(NetlinkState& state, uint32_t id, Batch batch, bool dump, Done<Answer> done) {
  auto replies = std::make_shared<Bytes>();
  Exchange exchange;
  exchange.batch = std::move(batch);
  exchange.dump = dump;
  exchange.tag = id;
  exchange.on_reply = [replies](const Message& message) { Append(*replies, message); };
  exchange.on_done = [replies, done = std::move(done)](std::vector<Failure> outcomes) {
    done(Answer{std::move(outcomes), std::move(*replies)});
  };
  state.channel->Submit(std::move(exchange));
}

}  // namespace

void NetlinkState::Cancel(uint32_t id) {
  if (channel) channel->Cancel(id);
  for (const auto& [cursor, listener] : listeners) listener->Cancel(id);
  if (const auto wait = waits.find(id); wait != waits.end()) wait->second->GiveUp();
}

void NetlinkState::Clear() {
  channel.reset();
  transaction.reset();
  listeners.clear();
  for (const auto& [id, patience] : waits) patience->GiveUp();
}

Napi::Function NetlinkSession::Define(Napi::Env env) {
  return DefineClass(env, "NetlinkSession",
                     {
                         InstanceMethod<&NetlinkSession::Open>("open"),
                         InstanceMethod<&NetlinkSession::Close>("close"),
                         InstanceMethod<&NetlinkSession::Cancel>("cancel"),
                         InstanceMethod<&NetlinkSession::Request>("request"),
                         InstanceMethod<&NetlinkSession::Dump>("dump"),
                         InstanceMethod<&NetlinkSession::Transact>("transact"),
                         InstanceMethod<&NetlinkSession::Listen>("listen"),
                         InstanceMethod<&NetlinkSession::Heard>("heard"),
                         InstanceMethod<&NetlinkSession::Unlisten>("unlisten"),
                         InstanceMethod<&NetlinkSession::SendFrame>("sendFrame"),
                         InstanceMethod<&NetlinkSession::CreateNamespace>("createNamespace"),
                         InstanceMethod<&NetlinkSession::DeleteNamespace>("deleteNamespace"),
                         InstanceMethod<&NetlinkSession::ReadFiles>("readFiles"),
                         InstanceMethod<&NetlinkSession::WriteFile>("writeFile"),
                     });
}

NetlinkSession::NetlinkSession(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NetlinkSession>(info), handle_(info[0]) {}

// Returns the cookie of the namespace (SO_NETNS_COOKIE), which is unique until the machine restarts.
void NetlinkSession::Open(const Napi::CallbackInfo& info) {
  handle_.Open<uint64_t>(
      info,
      [protocol = info[2].As<Napi::Number>().Int32Value()](NetlinkState& state, uint32_t /*id*/,
                                                           const Done<uint64_t>& done) {
        auto socket = OpenSocket(state.network_namespace, protocol);
        if (!socket.ok()) return done(socket.failure());
        uint64_t cookie = 0;
        socklen_t length = sizeof cookie;
        if (getsockopt(socket.value().fd(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0) {
          return done(Failure{errno, "SO_NETNS_COOKIE"});
        }
        state.protocol = protocol;
        state.channel = netlink::Channel::Create(*state.strand, std::move(socket.value()));
        done(cookie);
      },
      [](Napi::Env env, uint64_t cookie) -> Napi::Value { return Napi::BigInt::New(env, cookie); });
}

// Sends plain requests, each with NLM_F_ACK, and returns one outcome per request.
void NetlinkSession::Request(const Napi::CallbackInfo& info) {
  handle_.Start<Answer>(
      info,
      [batch = ToBatch(info[1], info[2])](NetlinkState& state, uint32_t id, Done<Answer> done) {
        Submit(state, id, batch, false, std::move(done));
      },
      FromAnswer);
}

void NetlinkSession::Dump(const Napi::CallbackInfo& info) {
  Batch dump = ToBatch(info[1], info[2]);
  if (dump.size() != 1) throw InvalidArgument(info.Env(), "a dump takes one message");
  handle_.Start<Answer>(
      info,
      [batch = std::move(dump)](NetlinkState& state, uint32_t id, Done<Answer> done) {
        Submit(state, id, batch, true, std::move(done));
      },
      FromAnswer);
}

// transact(id, batch): sends the messages of a NetlinkBatch, and empties it.
void NetlinkSession::Transact(const Napi::CallbackInfo& info) {
  handle_.Start<Verdict>(
      info,
      [pieces = std::make_shared<std::vector<Batch>>(NetlinkBatch::Take(info[1]))](NetlinkState& state, uint32_t /*id*/,
                                                                                   const Done<Verdict>& done) {
        if (!state.transaction) {
          auto socket = OpenSocket(state.network_namespace, state.protocol);
          if (!socket.ok()) return done(socket.failure());
          state.transaction.emplace(std::move(socket.value()));
        }
        Batch batch = Join(std::move(*pieces));
        const uint32_t first = std::exchange(state.next_sequence, state.next_sequence + batch.size());
        done(netlink::Transact(*state.transaction, netlink::Strand::buffers(), batch, first));
      },
      FromVerdict);
}

void NetlinkSession::Listen(const Napi::CallbackInfo& info) {
  const auto numbers = ToNumbers(info[1]);
  handle_.Start<uint32_t>(
      info,
      [groups = std::vector<uint32_t>(numbers.begin(), numbers.end())](NetlinkState& state, uint32_t id,
                                                                       const Done<uint32_t>& done) {
        auto socket = OpenSocket(state.network_namespace, state.protocol);
        if (!socket.ok()) return done(socket.failure());
        auto listener = GroupListener::Open(*state.strand, std::move(socket.value()), groups);
        if (!listener.ok()) return done(listener.failure());
        state.listeners.emplace(id, std::move(listener.value()));
        done(id);
      },
      FromNumber);
}

void NetlinkSession::Heard(const Napi::CallbackInfo& info) {
  handle_.Start<netlink::Heard>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](NetlinkState& state, uint32_t id, Done<netlink::Heard> done) {
        const auto listener = state.listeners.find(cursor);
        if (listener == state.listeners.end()) return done(Failure{EBADF, ""});
        listener->second->Next(id, std::move(done));
      },
      FromHeard);
}

void NetlinkSession::Unlisten(const Napi::CallbackInfo& info) {
  handle_.Start<bool>(
      info,
      [cursor = info[1].As<Napi::Number>().Uint32Value()](NetlinkState& state, uint32_t /*id*/,
                                                          const Done<bool>& done) {
        state.listeners.erase(cursor);
        done(true);
      },
      FromBool);
}

void NetlinkSession::SendFrame(const Napi::CallbackInfo& info) {
  const auto bytes = ToBytes(info[2]);
  handle_.Start<bool>(
      info,
      [index = info[1].As<Napi::Number>().Int32Value(), frame = Bytes(bytes.begin(), bytes.end())](
          NetlinkState& state, uint32_t /*id*/, const Done<bool>& done) {
        Failure sent;
        const Failure failure = state.network_namespace.Run([&] { sent = netlink::SendFrame(index, frame); });
        if (failure) return done(failure);
        done(sent ? Result<bool>(sent) : true);
      },
      FromBool);
}

// Runs `change` in a separate thread, because other users of the machine can make it wait.
void NetlinkSession::ChangeNamespace(const Napi::CallbackInfo& info, std::shared_ptr<netns::Patience> patience,
                                     std::function<Failure(netns::Patience&)> change) {
  handle_.StartShared<bool>(
      info,
      [&threads = handle_.threads(), patience = std::move(patience), change = std::move(change)](
          const std::shared_ptr<NetlinkState>& state, uint32_t id, Done<bool> done) {
        state->waits.emplace(id, patience);
        auto failure = std::make_shared<Failure>();
        const Failure unstarted = threads.Start(
            patience, [failure, change](netns::Patience& limit) { *failure = change(limit); }, state->strand,
            [state, id, failure, done] {
              state->waits.erase(id);
              done(*failure ? Result<bool>(*failure) : true);
            });
        if (!unstarted) return;
        state->waits.erase(id);
        done(unstarted);
      },
      FromBool);
}

// createNamespace(id, directory, name, milliseconds): the last argument limits the wait for a lock; Infinity is no
// limit.
void NetlinkSession::CreateNamespace(const Napi::CallbackInfo& info) {
  const double limit = info[3].As<Napi::Number>().DoubleValue();
  constexpr double kMost = 1e12;
  auto patience =
      limit < kMost
          ? std::make_shared<netns::Patience>(std::chrono::milliseconds(static_cast<int64_t>(std::max(limit, 0.0))))
          : std::make_shared<netns::Patience>();
  ChangeNamespace(info, std::move(patience),
                  [directory = info[1].As<Napi::String>().Utf8Value(), name = info[2].As<Napi::String>().Utf8Value()](
                      netns::Patience& waits) { return netns::CreateNamed(directory, name, waits); });
}

void NetlinkSession::DeleteNamespace(const Napi::CallbackInfo& info) {
  ChangeNamespace(info, std::make_shared<netns::Patience>(),
                  [directory = info[1].As<Napi::String>().Utf8Value(), name = info[2].As<Napi::String>().Utf8Value()](
                      netns::Patience& /*waits*/) { return netns::DeleteNamed(directory, name); });
}

}  // namespace binding
