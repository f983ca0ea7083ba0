// The least that does the same work: IPVS over generic netlink, pipelined, nothing checked but
// the acknowledgements. Prints how many milliseconds the work itself took.
//   reference apply SERVICES SERVERS   adds them, as the benchmark does
//   reference read                     receives the whole table and looks at every byte count
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int sock;
static uint16_t family;
static char out[1 << 16], in[1 << 16];
static size_t length;
static struct nlmsghdr *message;

static void put(uint16_t type, const void *data, size_t size) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type;
  attribute->nla_len = NLA_HDRLEN + size;
  memcpy(attribute + 1, data, size);
  length += NLA_ALIGN(NLA_HDRLEN + size);
}
static void put16(uint16_t type, uint16_t value) { put(type, &value, 2); }
static void put32(uint16_t type, uint32_t value) { put(type, &value, 4); }

static struct nlattr *nest(uint16_t type) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type | NLA_F_NESTED;
  length += NLA_HDRLEN;
  return attribute;
}
static void end(struct nlattr *attribute) { attribute->nla_len = out + length - (char *)attribute; }

static void begin(uint16_t type, uint8_t command, uint16_t flags) {
  message = (struct nlmsghdr *)(out + length);
  memset(message, 0, NLMSG_HDRLEN + GENL_HDRLEN);
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  struct genlmsghdr *generic = NLMSG_DATA(message);
  generic->cmd = command;
  generic->version = 1;
  length += NLMSG_HDRLEN + GENL_HDRLEN;
}
static void finish(void) { message->nlmsg_len = out + length - (char *)message; }

static void transmit(void) {
  if (send(sock, out, length, 0) < 0) exit((perror("send"), 1));
  length = 0;
}

static void acknowledge(int count) {
  while (count > 0) {
    int size = recv(sock, in, sizeof in, 0);
    if (size < 0) exit((perror("recv"), 1));
    for (struct nlmsghdr *m = (struct nlmsghdr *)in; NLMSG_OK(m, (unsigned)size); m = NLMSG_NEXT(m, size)) {
      if (m->nlmsg_type != NLMSG_ERROR) continue;
      int error = ((struct nlmsgerr *)NLMSG_DATA(m))->error;
      if (error) exit((fprintf(stderr, "the kernel says %d\n", error), 1));
      count--;
    }
  }
}

static void put_service(uint32_t mark) {
  put16(IPVS_SVC_ATTR_AF, AF_INET);
  put32(IPVS_SVC_ATTR_FWMARK, mark);
}

static void apply(int services, int servers) {
  int pending = 0;
  for (int s = 1; s <= services; s++) {
    for (int d = 0; d <= servers; d++) {
      begin(family, d == 0 ? IPVS_CMD_NEW_SERVICE : IPVS_CMD_NEW_DEST, NLM_F_ACK);
      struct nlattr *service = nest(IPVS_CMD_ATTR_SERVICE);
      put_service(s);
      if (d == 0) {
        uint32_t flags[2] = {0, 0x3d};
        put(IPVS_SVC_ATTR_SCHED_NAME, "rr", 3);
        put(IPVS_SVC_ATTR_FLAGS, flags, sizeof flags);
        put32(IPVS_SVC_ATTR_TIMEOUT, 0);
        put32(IPVS_SVC_ATTR_NETMASK, 0xffffffff);
      }
      end(service);
      if (d > 0) {
        struct nlattr *server = nest(IPVS_CMD_ATTR_DEST);
        put32(IPVS_DEST_ATTR_ADDR, htonl(0x0a000000 + (s << 8) + d));
        put16(IPVS_DEST_ATTR_PORT, htons(80));
        put16(IPVS_DEST_ATTR_ADDR_FAMILY, AF_INET);
        put32(IPVS_DEST_ATTR_FWD_METHOD, IP_VS_CONN_F_MASQ);
        put32(IPVS_DEST_ATTR_WEIGHT, 1);
        put32(IPVS_DEST_ATTR_U_THRESH, 0);
        put32(IPVS_DEST_ATTR_L_THRESH, 0);
        end(server);
      }
      finish();
      if (++pending == 64) transmit(), acknowledge(pending), pending = 0;
    }
  }
  if (pending) transmit(), acknowledge(pending);
}

static uint32_t marks[1 << 20];
static uint64_t seen;

static int dump(uint8_t command, uint32_t mark) {
  int count = 0;
  begin(family, command, NLM_F_DUMP);
  if (mark) {
    struct nlattr *service = nest(IPVS_CMD_ATTR_SERVICE);
    put_service(mark);
    end(service);
  }
  finish();
  transmit();
  for (;;) {
    int size = recv(sock, in, sizeof in, 0);
    for (struct nlmsghdr *m = (struct nlmsghdr *)in; NLMSG_OK(m, (unsigned)size); m = NLMSG_NEXT(m, size)) {
      if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) return count;
      struct nlattr *nested = (struct nlattr *)((char *)NLMSG_DATA(m) + GENL_HDRLEN);
      for (char *p = (char *)(nested + 1); p < (char *)nested + nested->nla_len;) {
        struct nlattr *a = (struct nlattr *)p;
        seen += a->nla_len;
        if (!mark && a->nla_type == IPVS_SVC_ATTR_FWMARK) memcpy(&marks[count], a + 1, 4);
        p += NLA_ALIGN(a->nla_len);
      }
      count++;
    }
  }
}

int main(int argc, char **argv) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  int on = 1, size = 1 << 20;
  sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof address)) return perror("socket"), 1;
  setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
  put(CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
  finish();
  transmit();
  int got = recv(sock, in, sizeof in, 0);
  for (char *p = in + NLMSG_HDRLEN + GENL_HDRLEN; p < in + got; p += NLA_ALIGN(((struct nlattr *)p)->nla_len)) {
    if (((struct nlattr *)p)->nla_type == CTRL_ATTR_FAMILY_ID) memcpy(&family, p + NLA_HDRLEN, 2);
  }
  if (!family) return fprintf(stderr, "no IPVS\n"), 1;

  struct timespec start, stop;
  clock_gettime(CLOCK_MONOTONIC, &start);
  if (argc == 4 && !strcmp(argv[1], "apply")) {
    apply(atoi(argv[2]), atoi(argv[3]));
  } else if (argc == 2 && !strcmp(argv[1], "read")) {
    int services = dump(IPVS_CMD_GET_SERVICE, 0);
    for (int i = 0; i < services; i++) dump(IPVS_CMD_GET_DEST, marks[i]);
  } else {
    return fprintf(stderr, "usage: reference apply SERVICES SERVERS | read\n"), 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &stop);
  printf("%.3f\n", (stop.tv_sec - start.tv_sec) * 1e3 + (stop.tv_nsec - start.tv_nsec) / 1e6);
  return 0;
}
