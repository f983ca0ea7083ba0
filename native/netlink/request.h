// The three kinds of requests over a channel: Ask() for a reply, Tell() for one change, TellAll() for many changes.
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "netlink/channel.h"

namespace netlink {

template <typename T>
using Done = std::function<void(Result<T>)>;

using Encode = std::function<void(MessageWriter&)>;

// Reads one message into the result; returns false if it is malformed.
template <typename T>
using Read = bool (*)(View payload, T& result);

template <typename T, std::optional<T> (*Decode)(View)>
bool ReadOne(View payload, T& result) {
  auto record = Decode(payload);
  if (record) result = std::move(*record);
  return record.has_value();
}

template <typename T, std::optional<T> (*Decode)(View)>
bool ReadMany(View payload, std::vector<T>& records) {
  auto record = Decode(payload);
  if (record) records.push_back(std::move(*record));
  return record.has_value();
}

inline const Failure kMalformed{EBADMSG, "malformed reply"};

template <typename T>
void Ask(Channel& channel, uint32_t tag, bool dump, const Encode& encode, Read<T> read, Done<T> done) {
  struct Reply {
    T value{};
    bool answered = false;
    bool malformed = false;
  };
  auto reply = std::make_shared<Reply>();
  MessageWriter writer;
  encode(writer);
  Exchange exchange;
  exchange.batch = writer.Take();
  exchange.dump = dump;
  exchange.tag = tag;
  exchange.on_reply = [reply, read](const Message& message) {
    reply->answered = true;
    if (!read(message.payload, reply->value)) reply->malformed = true;
  };
  exchange.on_done = [reply, dump, done = std::move(done)](const std::vector<Failure>& outcomes) {
    if (outcomes[0]) return done(outcomes[0]);
    // Only a dump may be empty.
    if (reply->malformed || !(reply->answered || dump)) return done(kMalformed);
    done(std::move(reply->value));
  };
  channel.Submit(std::move(exchange));
}

inline void Tell(Channel& channel, uint32_t tag, const Encode& encode, Done<bool> done) {
  MessageWriter writer;
  encode(writer);
  Exchange exchange;
  exchange.batch = writer.Take();
  exchange.tag = tag;
  exchange.on_done = [done = std::move(done)](const std::vector<Failure>& outcomes) {
    if (outcomes[0]) return done(outcomes[0]);
    done(true);
  };
  channel.Submit(std::move(exchange));
}

// Returns one outcome per message, in order. A failed message does not stop the following ones.
inline void TellAll(Channel& channel, uint32_t tag, MessageWriter& writer, Done<std::vector<Failure>> done) {
  Exchange exchange;
  exchange.batch = writer.Take();
  if (exchange.batch.size() == 0) return done(std::vector<Failure>{});
  exchange.terse = true;
  exchange.tag = tag;
  exchange.on_done = [done = std::move(done)](std::vector<Failure> outcomes) { done(std::move(outcomes)); };
  channel.Submit(std::move(exchange));
}

}  // namespace netlink
