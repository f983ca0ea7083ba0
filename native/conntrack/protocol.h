// Constants of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h). They are repeated because the headers
// of the build machine may be older than the running kernel.
#pragma once

#include <cstdint>

namespace conntrack {

constexpr uint8_t kSubsystem = 1;             // NFNL_SUBSYS_CTNETLINK
constexpr uint8_t kExpectationSubsystem = 2;  // NFNL_SUBSYS_CTNETLINK_EXP

enum class Command : uint8_t {  // IPCTNL_MSG_CT_*
  kNew = 0,
  kGet = 1,
  kDelete = 2,
  kGetAndZero = 3,
  kGetStatisticsByProcessor = 4,
  kGetStatistics = 5,
  kGetDying = 6,
};

enum class ExpectationCommand : uint8_t {  // IPCTNL_MSG_EXP_*
  kNew = 0,
  kGet = 1,
  kDelete = 2,
  kGetStatisticsByProcessor = 3,
};

// Multicast groups (enum nfnetlink_groups).
constexpr uint32_t kGroupNew = 1;
constexpr uint32_t kGroupUpdate = 2;
constexpr uint32_t kGroupDestroy = 3;
constexpr uint32_t kGroupExpectationNew = 4;
constexpr uint32_t kGroupExpectationDestroy = 6;

namespace attr {  // CTA_*
constexpr uint16_t kTupleOriginal = 1;
constexpr uint16_t kTupleReply = 2;
constexpr uint16_t kStatus = 3;
constexpr uint16_t kProtocolInfo = 4;
constexpr uint16_t kHelper = 5;
constexpr uint16_t kNatSource = 6;
constexpr uint16_t kTimeout = 7;
constexpr uint16_t kMark = 8;
constexpr uint16_t kCountersOriginal = 9;
constexpr uint16_t kCountersReply = 10;
constexpr uint16_t kUse = 11;
constexpr uint16_t kId = 12;
constexpr uint16_t kNatDestination = 13;
constexpr uint16_t kTupleMaster = 14;
constexpr uint16_t kSequenceOriginal = 15;
constexpr uint16_t kSequenceReply = 16;
constexpr uint16_t kZone = 18;
constexpr uint16_t kSecurityContext = 19;
constexpr uint16_t kTimestamp = 20;
constexpr uint16_t kMarkMask = 21;
constexpr uint16_t kLabels = 22;
constexpr uint16_t kLabelsMask = 23;
constexpr uint16_t kSynproxy = 24;
constexpr uint16_t kFilter = 25;
constexpr uint16_t kStatusMask = 26;
constexpr uint16_t kEventTime = 27;  // Linux 6.14 or later
}  // namespace attr

namespace tuple_attr {  // CTA_TUPLE_*
constexpr uint16_t kIp = 1;
constexpr uint16_t kProtocol = 2;
constexpr uint16_t kZone = 3;
}  // namespace tuple_attr

namespace ip_attr {  // CTA_IP_*
constexpr uint16_t kSource4 = 1;
constexpr uint16_t kDestination4 = 2;
constexpr uint16_t kSource6 = 3;
constexpr uint16_t kDestination6 = 4;
}  // namespace ip_attr

namespace proto_attr {  // CTA_PROTO_*
constexpr uint16_t kNumber = 1;
constexpr uint16_t kSourcePort = 2;
constexpr uint16_t kDestinationPort = 3;
constexpr uint16_t kIcmpId = 4;
constexpr uint16_t kIcmpType = 5;
constexpr uint16_t kIcmpCode = 6;
constexpr uint16_t kIcmp6Id = 7;
constexpr uint16_t kIcmp6Type = 8;
constexpr uint16_t kIcmp6Code = 9;
}  // namespace proto_attr

namespace info_attr {  // CTA_PROTOINFO_* and their nested attributes
constexpr uint16_t kTcp = 1;
constexpr uint16_t kDccp = 2;
constexpr uint16_t kSctp = 3;
constexpr uint16_t kState = 1;  // same number in all three
constexpr uint16_t kTcpScaleOriginal = 2;
constexpr uint16_t kTcpScaleReply = 3;
constexpr uint16_t kTcpFlagsOriginal = 4;
constexpr uint16_t kTcpFlagsReply = 5;
constexpr uint16_t kDccpRole = 2;
constexpr uint16_t kDccpHandshake = 3;
constexpr uint16_t kSctpTagOriginal = 2;
constexpr uint16_t kSctpTagReply = 3;
}  // namespace info_attr

namespace counter_attr {  // CTA_COUNTERS_*
constexpr uint16_t kPackets = 1;
constexpr uint16_t kBytes = 2;
}  // namespace counter_attr

namespace time_attr {  // CTA_TIMESTAMP_*
constexpr uint16_t kStart = 1;
constexpr uint16_t kStop = 2;
}  // namespace time_attr

namespace nat_attr {  // CTA_NAT_*, CTA_PROTONAT_*
constexpr uint16_t kLeast4 = 1;
constexpr uint16_t kMost4 = 2;
constexpr uint16_t kPorts = 3;
constexpr uint16_t kLeast6 = 4;
constexpr uint16_t kMost6 = 5;
constexpr uint16_t kPortLeast = 1;
constexpr uint16_t kPortMost = 2;
}  // namespace nat_attr

namespace triple_attr {  // CTA_SEQADJ_*, CTA_SYNPROXY_*: three numbers each
constexpr uint16_t kFirst = 1;
constexpr uint16_t kSecond = 2;
constexpr uint16_t kThird = 3;
}  // namespace triple_attr

namespace filter_attr {  // CTA_FILTER_*
constexpr uint16_t kOriginalFlags = 1;
constexpr uint16_t kReplyFlags = 2;
// Bits for the parts of a tuple to compare: CTA_FILTER_FLAG() in net/netfilter/nf_conntrack_netlink.c.
constexpr uint32_t kSource = 1U << 0;
constexpr uint32_t kDestination = 1U << 1;
constexpr uint32_t kZone = 1U << 2;
constexpr uint32_t kProtocol = 1U << 3;
constexpr uint32_t kSourcePort = 1U << 4;
constexpr uint32_t kDestinationPort = 1U << 5;
constexpr uint32_t kIcmpType = 1U << 6;
constexpr uint32_t kIcmpCode = 1U << 7;
constexpr uint32_t kIcmpId = 1U << 8;
constexpr uint32_t kIcmp6Type = 1U << 9;
constexpr uint32_t kIcmp6Code = 1U << 10;
constexpr uint32_t kIcmp6Id = 1U << 11;
}  // namespace filter_attr

namespace expectation_attr {  // CTA_EXPECT_*
constexpr uint16_t kMaster = 1;
constexpr uint16_t kTuple = 2;
constexpr uint16_t kMask = 3;
constexpr uint16_t kTimeout = 4;
constexpr uint16_t kId = 5;
constexpr uint16_t kHelper = 6;
constexpr uint16_t kZone = 7;
constexpr uint16_t kFlags = 8;
constexpr uint16_t kClass = 9;
constexpr uint16_t kNat = 10;
constexpr uint16_t kFunction = 11;
constexpr uint16_t kNatDirection = 1;
constexpr uint16_t kNatTuple = 2;
}  // namespace expectation_attr

constexpr uint16_t kHelperName = 1;           // CTA_HELP_NAME
constexpr uint16_t kSecurityContextName = 1;  // CTA_SECCTX_NAME

}  // namespace conntrack
