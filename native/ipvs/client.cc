#include "ipvs/client.h"

#include <cerrno>
#include <cstddef>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "netlink/generic_family.h"

namespace ipvs {

using netlink::Ask;
using netlink::Failure;
using netlink::MessageWriter;
using netlink::ReadMany;
using netlink::ReadOne;
using netlink::Result;
using netlink::Tell;

namespace {

// The kernel resumes a dump by counting, so what it has already told may come again when
// something before it was added meanwhile. The key is what a record starts with.
template <typename T>
void Deduplicate(std::vector<T>& records, size_t key_size) {
  std::unordered_set<std::string_view> seen;
  std::vector<T> unique;
  unique.reserve(records.size());
  for (const T& record : records) {
    if (seen.emplace(reinterpret_cast<const char*>(&record), key_size).second) unique.push_back(record);
  }
  if (unique.size() != records.size()) records = std::move(unique);
}

constexpr size_t kServiceKey = offsetof(Service, scheduler);
constexpr size_t kServerKey = offsetof(Server, forwarding);

}  // namespace

Client::Client(netlink::IoThread& io, netlink::Socket socket)
    : channel_(netlink::Channel::Create(io, std::move(socket))) {}

void Client::Resolve(uint32_t tag, Done<uint16_t> done) {
  netlink::ResolveFamily(*channel_, kFamilyName, tag, [this, done = std::move(done)](Result<uint16_t> result) {
    if (result.ok()) family_ = result.value();
    // ENOENT has other meanings for the commands of the family.
    if (!result.ok() && result.failure().code == ENOENT) {
      return done(Failure{EPROTONOSUPPORT, "this kernel has no generic netlink family IPVS"});
    }
    done(std::move(result));
  });
}

void Client::Apply(uint32_t tag, const std::vector<Change>& changes, Done<std::vector<Failure>> done) {
  MessageWriter writer;
  for (const Change& change : changes) EncodeChange(writer, family_, change);
  TellAll(*channel_, tag, writer, std::move(done));
}

void Client::GetService(uint32_t tag, const Service& key, Done<Service> done) {
  Ask<Service>(
      *channel_, tag, false, [&](MessageWriter& writer) { EncodeGetService(writer, family_, key); },
      ReadOne<Service, DecodeService>, std::move(done));
}

void Client::ListServices(uint32_t tag, Done<std::vector<Service>> done) {
  Ask<std::vector<Service>>(
      *channel_, tag, true,
      [&](MessageWriter& writer) { EncodePlain(writer, family_, Command::kGetService, NLM_F_DUMP); },
      ReadMany<Service, DecodeService>,
      [done = std::move(done)](Result<std::vector<Service>> result) {
        if (result.ok()) Deduplicate(result.value(), kServiceKey);
        done(std::move(result));
      });
}

void Client::ListServers(uint32_t tag, const Service& key, Done<std::vector<Server>> done) {
  Ask<std::vector<Server>>(
      *channel_, tag, true, [&](MessageWriter& writer) { EncodeDumpServers(writer, family_, key); },
      ReadMany<Server, DecodeServer>,
      [this, tag, key, done = std::move(done)](Result<std::vector<Server>> servers) {
        if (!servers.ok()) return done(std::move(servers));
        Deduplicate(servers.value(), kServerKey);
        // Asked after the dump: what was there before may be gone by now.
        GetService(tag, key, [servers = std::move(servers), done](const Result<Service>& service) {
          done(service.ok() ? servers : Result<std::vector<Server>>(service.failure()));
        });
      });
}

void Client::ReadTable(uint32_t tag, Done<Table> done) {
  struct Reading {
    Table table;
    Done<Table> done;
    std::function<void(uint32_t)> next;
  };
  auto reading = std::make_shared<Reading>();
  reading->done = std::move(done);
  // The servers of one service after those of another: a socket takes one dump at a time.
  reading->next = [this, tag, weak = std::weak_ptr(reading)](uint32_t index) {
    const auto self = weak.lock();
    if (index == self->table.services.size()) return self->done(std::move(self->table));
    Ask<std::vector<Server>>(
        *channel_, tag, true,
        [&](MessageWriter& writer) { EncodeDumpServers(writer, family_, self->table.services[index]); },
        ReadMany<Server, DecodeServer>,
        [self, index](Result<std::vector<Server>> servers) {
          if (!servers.ok()) return self->done(servers.failure());
          Deduplicate(servers.value(), kServerKey);
          for (Server& server : servers.value()) {
            server.service = index;
            self->table.servers.push_back(server);
          }
          self->next(index + 1);
        });
  };
  ListServices(tag, [reading](Result<std::vector<Service>> services) {
    if (!services.ok()) return reading->done(services.failure());
    reading->table.services = std::move(services.value());
    reading->next(0);
  });
}

void Client::GetInfo(uint32_t tag, Done<Info> done) {
  Ask<Info>(
      *channel_, tag, false, [&](MessageWriter& writer) { EncodePlain(writer, family_, Command::kGetInfo, NLM_F_ACK); },
      ReadOne<Info, DecodeInfo>, std::move(done));
}

void Client::GetTimeouts(uint32_t tag, Done<Timeouts> done) {
  Ask<Timeouts>(
      *channel_, tag, false,
      [&](MessageWriter& writer) { EncodePlain(writer, family_, Command::kGetConfig, NLM_F_ACK); },
      ReadOne<Timeouts, DecodeTimeouts>, std::move(done));
}

void Client::SetTimeouts(uint32_t tag, const Timeouts& timeouts, Done<bool> done) {
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeSetTimeouts(writer, family_, timeouts); }, std::move(done));
}

void Client::ListDaemons(uint32_t tag, Done<std::vector<Daemon>> done) {
  Ask<std::vector<Daemon>>(
      *channel_, tag, true,
      [&](MessageWriter& writer) { EncodePlain(writer, family_, Command::kGetDaemon, NLM_F_DUMP); },
      ReadMany<Daemon, DecodeDaemon>, std::move(done));
}

void Client::ChangeDaemon(uint32_t tag, Command command, const Daemon& daemon, Done<bool> done) {
  Tell(
      *channel_, tag, [&](MessageWriter& writer) { EncodeDaemon(writer, family_, command, daemon); }, std::move(done));
}

}  // namespace ipvs
