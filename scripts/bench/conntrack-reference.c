// The least that does the same work with conntrack: nfnetlink, nothing decoded or checked but the
// ends. Prints how many milliseconds the work itself took, and then:
//   conntrack-reference create FLOWS   TCP flows to 1000 addresses
//   conntrack-reference flush          the table is empty afterwards
//   conntrack-reference dump           receives the whole table: the number of its flows
//   conntrack-reference produce EVENTS RATE KEEP
//                                      creates flows and deletes them again, RATE of both a second,
//                                      but every KEEPth flow (0: none) stays: the number of events
//   conntrack-reference listen BUFFER  receives events until none has come for two seconds: the
//                                      events, the overruns, the milliseconds of processor time
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 64 };
static int sock;
static char out[1 << 16], in[1 << 16];
static size_t length;
static struct nlmsghdr *message;
static unsigned queued;

static void put(uint16_t type, const void *data, size_t size) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type;
  attribute->nla_len = NLA_HDRLEN + size;
  memset(attribute + 1, 0, NLA_ALIGN(size));
  memcpy(attribute + 1, data, size);
  length += NLA_ALIGN(NLA_HDRLEN + size);
}
static void put8(uint16_t type, uint8_t value) { put(type, &value, 1); }
static void put16(uint16_t type, uint16_t value) { value = htons(value), put(type, &value, 2); }
static void put32(uint16_t type, uint32_t value) { value = htonl(value), put(type, &value, 4); }
static struct nlattr *nest(uint16_t type) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type | NLA_F_NESTED;
  length += NLA_HDRLEN;
  return attribute;
}
static void end(struct nlattr *attribute) { attribute->nla_len = out + length - (char *)attribute; }

static void begin(uint8_t type, uint16_t flags) {
  message = (struct nlmsghdr *)(out + length);
  memset(message, 0, NLMSG_HDRLEN + sizeof(struct nfgenmsg));
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  ((struct nfgenmsg *)NLMSG_DATA(message))->nfgen_family = AF_INET;
  length += NLMSG_HDRLEN + sizeof(struct nfgenmsg);
}

static void tuple(uint16_t type, uint32_t source, uint16_t port, uint32_t destination, uint16_t other) {
  struct nlattr *whole = nest(type), *part = nest(CTA_TUPLE_IP);
  put32(CTA_IP_V4_SRC, source), put32(CTA_IP_V4_DST, destination);
  end(part), part = nest(CTA_TUPLE_PROTO);
  put8(CTA_PROTO_NUM, IPPROTO_TCP), put16(CTA_PROTO_SRC_PORT, port), put16(CTA_PROTO_DST_PORT, other);
  end(part), end(whole);
}

static void transmit(void) {
  message->nlmsg_len = out + length - (char *)message;
  if (send(sock, out, length, 0) < 0) exit((perror("send"), 1));
  length = 0;
}

// Until the last message is acknowledged, or one before it has failed.
static void acknowledge(void) {
  int size = recv(sock, in, sizeof in, 0);
  if (size < 0) exit((perror("recv"), 1));
  struct nlmsghdr *reply = (struct nlmsghdr *)in;
  if (!NLMSG_OK(reply, (unsigned)size) || reply->nlmsg_type != NLMSG_ERROR) exit((fprintf(stderr, "no reply\n"), 1));
  int code = ((struct nlmsgerr *)NLMSG_DATA(reply))->error;
  if (code != 0) exit((fprintf(stderr, "the kernel says %s\n", strerror(-code)), 1));
}

// What is left of a window.
static void finish(void) {
  if (queued == 0) return;
  message->nlmsg_flags |= NLM_F_ACK;
  transmit();
  acknowledge();
  queued = 0;
}

static void change(int create, uint32_t i) {
  const uint32_t source = 0x0b000000 + i / 1000, destination = 0x0a000001 + i % 1000;
  begin(create ? IPCTNL_MSG_CT_NEW : IPCTNL_MSG_CT_DELETE, create ? NLM_F_CREATE | NLM_F_EXCL : 0);
  tuple(CTA_TUPLE_ORIG, source, 40000, destination, 80);
  if (create) {
    tuple(CTA_TUPLE_REPLY, destination, 80, source, 40000);
    put32(CTA_TIMEOUT, 3600);
    struct nlattr *info = nest(CTA_PROTOINFO), *tcp = nest(CTA_PROTOINFO_TCP);
    put8(CTA_PROTOINFO_TCP_STATE, 3);
    end(tcp), end(info);
  }
  message->nlmsg_len = out + length - (char *)message;
  if (++queued == WINDOW) finish();
}

static void flush(void) {
  begin(IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
  ((struct nfgenmsg *)NLMSG_DATA(message))->nfgen_family = AF_UNSPEC;
  transmit();
  acknowledge();
}

static long dump(void) {
  begin(IPCTNL_MSG_CT_GET, NLM_F_DUMP);
  transmit();
  for (long flows = 0;;) {
    int size = recv(sock, in, sizeof in, 0);
    if (size < 0) exit((perror("recv"), 1));
    struct nlmsghdr *reply = (struct nlmsghdr *)in;
    for (; NLMSG_OK(reply, size); reply = NLMSG_NEXT(reply, size)) {
      if (reply->nlmsg_type == NLMSG_DONE) return flows;
      flows++;
    }
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

// In slices of some milliseconds, each as late as the events before it say.
static long produce(long events, double rate, unsigned keep) {
  enum { SLICE = 250 };
  const double start = now();
  long done = 0;
  for (uint32_t first = 0; done < events; first += SLICE) {
    for (uint32_t i = first; i < first + SLICE; i++) change(1, i), done++;
    finish();
    for (uint32_t i = first; i < first + SLICE; i++) {
      if (keep == 0 || i % keep != 0) change(0, i), done++;
    }
    finish();
    const double wait = start + done / rate * 1e3 - now();
    if (wait > 0) usleep(wait * 1e3);
  }
  return done;
}

static void listen_to_events(int buffer) {
  const int groups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY};
  const struct timeval patience = {.tv_sec = 2};
  setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (int i = 0; i < 3; i++) setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]);
  printf("ready\n");
  fflush(stdout);
  long events = 0, overruns = 0;
  for (;;) {
    int size = recv(sock, in, sizeof in, 0);
    if (size < 0 && errno == ENOBUFS) overruns++;
    else if (size < 0 && errno != EAGAIN) exit((perror("recv"), 1));
    else if (size < 0 && events > 0) break;
    struct nlmsghdr *event = (struct nlmsghdr *)in;
    for (; size > 0 && NLMSG_OK(event, (unsigned)size); event = NLMSG_NEXT(event, size)) events++;
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  const struct timeval user = used.ru_utime, system = used.ru_stime;
  printf("%ld %ld %.3f\n", events, overruns,
         (user.tv_sec + system.tv_sec) * 1e3 + (user.tv_usec + system.tv_usec) / 1e3);
}

int main(int count, char **arguments) {
  const char *job = count > 1 ? arguments[1] : "";
  const long number = count > 2 ? strtol(arguments[2], NULL, 10) : 0;
  sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  // A socket without an address of its own is sent no events.
  const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (sock < 0 || bind(sock, (const struct sockaddr *)&address, sizeof address) < 0) exit((perror("socket"), 1));
  long found = -1;
  const double start = now();
  if (strcmp(job, "create") == 0) {
    for (uint32_t i = 0; i < number; i++) change(1, i);
    finish();
  } else if (strcmp(job, "flush") == 0) {
    flush();
  } else if (strcmp(job, "dump") == 0) {
    found = dump();
  } else if (strcmp(job, "produce") == 0 && count == 5) {
    found = produce(number, strtod(arguments[3], NULL), strtoul(arguments[4], NULL, 10));
  } else if (strcmp(job, "listen") == 0) {
    listen_to_events(number);
    return 0;
  } else {
    fprintf(stderr, "usage: %s create FLOWS | flush | dump | produce EVENTS RATE KEEP | listen BUFFER\n", arguments[0]);
    return 1;
  }
  printf("%.3f", now() - start);
  if (found >= 0) printf(" %ld", found);
  printf("\n");
  return 0;
}
