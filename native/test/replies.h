// Replies of real kernels as hex: whole replies (all messages up to the last acknowledgement or DONE), for the table
// that record-replies.py creates.
#pragma once

#include <array>
#include <utility>

namespace replies {

struct Recording {
  const char* release;
  unsigned family;
  const char* get_family;
  const char* services;
  const char* service;          // TCP 10.0.0.80:443
  const char* servers_mixed;    // of TCP 10.0.0.80:443
  const char* servers_six;      // of TCP [2001:db8::80]:80
  const char* servers_mark;     // of fwmark 80
  const char* servers_traffic;  // of TCP 127.0.0.1:8000, which has served three connections
  const char* servers_missing;  // of fwmark 404, which does not exist
  const char* info;
  const char* config;
  const char* daemons;
  const char* no_such_service;           // DEL_SERVICE of fwmark 404
  const char* no_such_service_uncapped;  // the same without NETLINK_CAP_ACK
  const char* bad_attribute;             // SET_CONFIG with a timeout of two bytes
  const char* bad_attribute_uncapped;
  const char* no_such_family;

  std::array<std::pair<const char*, const char*>, 16> all() const {
    return {{{"get_family", get_family},
             {"services", services},
             {"service", service},
             {"servers_mixed", servers_mixed},
             {"servers_six", servers_six},
             {"servers_mark", servers_mark},
             {"servers_traffic", servers_traffic},
             {"servers_missing", servers_missing},
             {"info", info},
             {"config", config},
             {"daemons", daemons},
             {"no_such_service", no_such_service},
             {"no_such_service_uncapped", no_such_service_uncapped},
             {"bad_attribute", bad_attribute},
             {"bad_attribute_uncapped", bad_attribute_uncapped},
             {"no_such_family", no_such_family}}};
  }
};

}  // namespace replies

#include "test/replies_6_1.h"
#include "test/replies_latest.h"

namespace replies {

inline constexpr std::array kRecordings{kLinux_6_1, kLinux_latest};

}  // namespace replies
