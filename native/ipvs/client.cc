#include "ipvs/client.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
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

// Removes repeated records. The kernel resumes a dump by counting, so it repeats a record if another one was added
// before it. A record starts with its key.
template <typename T>
void Deduplicate(std::vector<T>& records, size_t key_size, size_t first = 0) {
  const auto key = [&](size_t index) { return reinterpret_cast<const char*>(&records[index]); };
  // Most services have few servers, and a table has many services: avoid a set for each service.
  constexpr size_t kFew = 16;
  std::unordered_set<std::string_view> seen;
  std::vector<bool> again(records.size() - first);
  bool any = false;
  for (size_t i = first; i < records.size(); ++i) {
    bool found = false;
    if (again.size() > kFew) {
      found = !seen.emplace(key(i), key_size).second;
    } else {
      for (size_t j = first; j < i && !found; ++j) found = std::memcmp(key(i), key(j), key_size) == 0;
    }
    again[i - first] = found;
    any = any || found;
  }
  if (!any) return;
  size_t end = first;
  for (size_t i = first; i < records.size(); ++i) {
    if (!again[i - first]) records[end++] = records[i];
  }
  records.resize(end);
}

constexpr size_t kServiceKey = offsetof(Service, scheduler);
constexpr size_t kServerKey = offsetof(Server, forwarding);

// Approximate size of a message that adds a server, in bytes.
constexpr size_t kChangeSize = 128;

}  // namespace

void Client::Resolve(uint32_t tag, Done<uint16_t> done) {
  netlink::ResolveFamily(*channel_, kFamilyName, tag, [this, done = std::move(done)](Result<uint16_t> result) {
    if (result.ok()) family_ = result.value();
    // ENOENT has other meanings for IPVS commands.
    if (!result.ok() && result.failure().code == ENOENT) {
      return done(Failure{EPROTONOSUPPORT, "this kernel has no generic netlink family IPVS"});
    }
    done(std::move(result));
  });
}

void Client::Apply(uint32_t tag, const std::vector<PackedChange>& changes, Done<std::vector<Failure>> done) {
  MessageWriter writer;
  writer.Reserve(changes.size(), changes.size() * kChangeSize);
  for (const PackedChange& change : changes) EncodeChange(writer, family_, Unpack(change));
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
        // Read the service after the dump: it may have been deleted in the meantime.
        GetService(tag, key, [servers = std::move(servers), done](const Result<Service>& service) {
          done(service.ok() ? servers : Result<std::vector<Server>>(service.failure()));
        });
      });
}

// The state of ReadTable(). It reads the servers service by service, because a socket allows one dump at a time, and
// decodes them directly into the table.
struct Client::Reading {
  uint32_t tag = 0;
  Done<Table> done;
  Table table;
  size_t first = 0;  // index of the first server of the current service
  bool malformed = false;
};

void Client::ReadTable(uint32_t tag, Done<Table> done) {
  auto reading = std::make_shared<Reading>();
  reading->tag = tag;
  reading->done = std::move(done);
  reading->table.servers.reserve(last_servers_);
  ListServices(tag, [this, reading](Result<std::vector<Service>> services) {
    if (!services.ok()) return reading->done(services.failure());
    reading->table.services = std::move(services.value());
    ReadServers(reading, 0);
  });
}

void Client::ReadServers(const std::shared_ptr<Reading>& reading, uint32_t index) {
  Table& table = reading->table;
  if (index == table.services.size()) {
    last_servers_ = table.servers.size();
    return reading->done(std::move(table));
  }
  reading->first = table.servers.size();
  MessageWriter writer;
  EncodeDumpServers(writer, family_, table.services[index]);
  netlink::Exchange exchange;
  exchange.batch = writer.Take();
  exchange.dump = true;
  exchange.tag = reading->tag;
  exchange.on_reply = [reading, index](const netlink::Message& message) {
    auto server = DecodeServer(message.payload);
    if (!server) {
      reading->malformed = true;
      return;
    }
    server->service = index;
    reading->table.servers.push_back(*server);
  };
  exchange.on_done = [this, reading, index](const std::vector<Failure>& outcomes) {
    if (outcomes[0]) return reading->done(outcomes[0]);
    if (reading->malformed) return reading->done(netlink::kMalformed);
    Deduplicate(reading->table.servers, kServerKey, reading->first);
    ReadServers(reading, index + 1);
  };
  channel_->Submit(std::move(exchange));
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
