// Constants of the generic netlink family "IPVS" (include/uapi/linux/ip_vs.h). They are repeated because the headers
// of the build machine may be older than the running kernel.
#pragma once

#include <cstdint>

namespace ipvs {

inline constexpr char kFamilyName[] = "IPVS";
inline constexpr uint8_t kFamilyVersion = 1;

enum class Command : uint8_t {
  kNewService = 1,
  kSetService,
  kDelService,
  kGetService,
  kNewDest,
  kSetDest,
  kDelDest,
  kGetDest,
  kNewDaemon,
  kDelDaemon,
  kGetDaemon,
  kSetConfig,
  kGetConfig,
  kSetInfo,  // used only in replies
  kGetInfo,
  kZero,
  kFlush,
};

namespace cmd_attr {
enum : uint16_t { kService = 1, kDest, kDaemon, kTimeoutTcp, kTimeoutTcpFin, kTimeoutUdp };
}
namespace svc_attr {
enum : uint16_t {
  kAf = 1,
  kProtocol,
  kAddr,
  kPort,
  kFwmark,
  kSchedName,
  kFlags,
  kTimeout,
  kNetmask,
  kStats,
  kPeName,
  kStats64
};
}
namespace dest_attr {
enum : uint16_t {
  kAddr = 1,
  kPort,
  kFwdMethod,
  kWeight,
  kUThresh,
  kLThresh,
  kActiveConns,
  kInactConns,
  kPersistConns,
  kStats,
  kAddrFamily,
  kStats64,
  kTunType,
  kTunPort,
  kTunFlags,
};
}
namespace daemon_attr {
enum : uint16_t { kState = 1, kMcastIfn, kSyncId, kSyncMaxlen, kMcastGroup, kMcastGroup6, kMcastPort, kMcastTtl };
}
namespace info_attr {
enum : uint16_t { kVersion = 1, kConnTabSize };
}

// IPVS_SVC_ATTR_FLAGS: sets the bits in `mask` to their values in `flags`. The mask of a reply has all bits.
struct Flags {
  uint32_t flags;
  uint32_t mask;
};

inline constexpr uint32_t kForwardingTunnel = 2;  // IP_VS_CONN_F_TUNNEL

}  // namespace ipvs
