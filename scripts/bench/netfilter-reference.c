// The least that does the same work with nf_tables: the messages that the library sends, nothing
// read but the acknowledgement. Prints how many milliseconds the work itself took, from numbers to
// the acknowledgement:
//   netfilter-reference apply MARKS          a table with a map of that many marks, as one batch, with as many
//                                            elements in each message as nft puts there
//   netfilter-reference apply-each MARKS     the same with a message for each element
//   netfilter-reference change MARKS TIMES   another mark for one element of such a map, and back
//                                            again; each time a batch of two: for one time
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// What is to be marked.
struct mark {
  uint32_t address;
  uint16_t port;
  uint32_t mark;
};

static const char table[] = "ipvs", map[] = "prerouting_ip_port", chain[] = "mark_prerouting";
static int sock;
static char *out, in[1 << 16];
static size_t length;
static struct nlmsghdr *message;

static void put(uint16_t type, const void *data, size_t size) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type;
  attribute->nla_len = NLA_HDRLEN + size;
  memset((char *)(attribute + 1) + size, 0, NLA_ALIGN(size) - size);
  memcpy(attribute + 1, data, size);
  length += NLA_ALIGN(NLA_HDRLEN + size);
}
static void put32(uint16_t type, uint32_t value) { value = htonl(value), put(type, &value, 4); }
static void text(uint16_t type, const char *value) { put(type, value, strlen(value) + 1); }
static struct nlattr *nest(uint16_t type) {
  struct nlattr *attribute = (struct nlattr *)(out + length);
  attribute->nla_type = type | NLA_F_NESTED;
  length += NLA_HDRLEN;
  return attribute;
}
static void end(struct nlattr *attribute) { attribute->nla_len = out + length - (char *)attribute; }

static void begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
  message = (struct nlmsghdr *)(out + length);
  *message = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};
  *(struct nfgenmsg *)NLMSG_DATA(message) = (struct nfgenmsg){.nfgen_family = family, .res_id = htons(resource)};
  length += NLMSG_HDRLEN + sizeof(struct nfgenmsg);
}
static void finish(void) { message->nlmsg_len = out + length - (char *)message; }
static void bound(uint16_t type) { begin(type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES), finish(); }
static void change(uint8_t type, uint16_t flags) {
  begin(NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
  text(NFTA_TABLE_NAME, table); // attribute 1 of all of these messages
}

static void add_table(void) {
  static const char comment[] = "\0\015made by ipvs"; // a type, a length, and the text with its NUL
  change(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  put32(NFTA_TABLE_FLAGS, 0), put(NFTA_TABLE_USERDATA, comment, sizeof comment);
  finish();
}

static void add_map(void) {
  static const uint8_t user_data[] = {0, 4, 2, 0, 0, 0, 1, 4, 1, 0, 0, 0};
  change(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
  text(NFTA_SET_NAME, map), put32(NFTA_SET_FLAGS, NFT_SET_MAP);
  put32(NFTA_SET_KEY_TYPE, 7 << 12 | 12 << 6 | 13), put32(NFTA_SET_KEY_LEN, 12);
  put32(NFTA_SET_DATA_TYPE, 19), put32(NFTA_SET_DATA_LEN, 4), put32(NFTA_SET_ID, 1);
  put(NFTA_SET_USERDATA, user_data, sizeof user_data);
  struct nlattr *counter = nest(NFTA_SET_EXPR);
  text(NFTA_EXPR_NAME, "counter"), end(nest(NFTA_EXPR_DATA));
  end(counter), finish();
}

// Attributes have at most 65535 bytes, and an element with its mark has 36.
enum { MOST_ELEMENTS = (0xffff - NLA_HDRLEN) / 36 };

static void elements(int add, const struct mark *marks, long count) {
  change(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
  text(NFTA_SET_ELEM_LIST_SET, map);
  struct nlattr *list = nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (long i = 0; i < count; i++) {
    const uint32_t key[] = {htonl(marks[i].address), htonl(IPPROTO_TCP << 24), htonl(marks[i].port << 16)};
    struct nlattr *item = nest(NFTA_LIST_ELEM), *value;
    value = nest(NFTA_SET_ELEM_KEY), put(NFTA_DATA_VALUE, key, sizeof key), end(value);
    if (add) value = nest(NFTA_SET_ELEM_DATA), put(NFTA_DATA_VALUE, &marks[i].mark, 4), end(value);
    end(item);
  }
  end(list), finish();
}

static void add_chain(void) {
  change(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
  text(NFTA_CHAIN_NAME, chain);
  struct nlattr *hook = nest(NFTA_CHAIN_HOOK);
  put32(NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING), put32(NFTA_HOOK_PRIORITY, -150);
  end(hook), put32(NFTA_CHAIN_POLICY, NF_ACCEPT), text(NFTA_CHAIN_TYPE, "filter");
  finish();
}

static struct nlattr *outer, *inner;
static void expression(const char *name) {
  outer = nest(NFTA_LIST_ELEM);
  text(NFTA_EXPR_NAME, name);
  inner = nest(NFTA_EXPR_DATA);
}
static void close_expression(void) { end(inner), end(outer); }
static void load(uint32_t key, uint32_t to) {
  expression("meta"), put32(NFTA_META_DREG, to), put32(NFTA_META_KEY, key), close_expression();
}
static void payload(uint32_t base, uint32_t offset, uint32_t size, uint32_t to) {
  expression("payload"), put32(NFTA_PAYLOAD_DREG, to), put32(NFTA_PAYLOAD_BASE, base);
  put32(NFTA_PAYLOAD_OFFSET, offset), put32(NFTA_PAYLOAD_LEN, size), close_expression();
}

// meta mark set ip daddr . meta l4proto . th dport map @prerouting_ip_port
static void add_rule(uint16_t flags) {
  const uint8_t family = NFPROTO_IPV4;
  change(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags);
  text(NFTA_RULE_CHAIN, chain);
  struct nlattr *list = nest(NFTA_RULE_EXPRESSIONS);
  load(NFT_META_NFPROTO, NFT_REG_1);
  expression("cmp"), put32(NFTA_CMP_SREG, NFT_REG_1), put32(NFTA_CMP_OP, NFT_CMP_EQ);
  struct nlattr *data = nest(NFTA_CMP_DATA);
  put(NFTA_DATA_VALUE, &family, 1), end(data), close_expression();
  payload(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, NFT_REG_1);
  load(NFT_META_L4PROTO, NFT_REG32_01);
  payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG32_02);
  expression("lookup"), text(NFTA_LOOKUP_SET, map);
  put32(NFTA_LOOKUP_SREG, NFT_REG_1), put32(NFTA_LOOKUP_DREG, NFT_REG_1), close_expression();
  expression("meta"), put32(NFTA_META_KEY, NFT_META_MARK), put32(NFTA_META_SREG, NFT_REG_1), close_expression();
  end(list), finish();
}

// All at once; what comes back is the acknowledgement of the one message that asks for it, or an error.
static void commit(void) {
  if (send(sock, out, length, 0) < 0) exit((perror("send"), 1));
  int size = recv(sock, in, sizeof in, 0);
  if (size < 0) exit((perror("recv"), 1));
  struct nlmsghdr *reply = (struct nlmsghdr *)in;
  if (!NLMSG_OK(reply, (unsigned)size) || reply->nlmsg_type != NLMSG_ERROR) exit((fprintf(stderr, "no reply\n"), 1));
  int code = ((struct nlmsgerr *)NLMSG_DATA(reply))->error;
  if (code != 0) exit((fprintf(stderr, "the kernel says %s\n", strerror(-code)), 1));
  length = 0;
}

static void apply(const struct mark *marks, long count, long together) {
  bound(NFNL_MSG_BATCH_BEGIN);
  add_table(), add_map();
  for (long i = 0; i < count; i += together) elements(1, marks + i, count - i < together ? count - i : together);
  add_chain(), add_rule(NLM_F_ACK);
  bound(NFNL_MSG_BATCH_END);
  commit();
}

static void set(struct mark mark) {
  bound(NFNL_MSG_BATCH_BEGIN);
  elements(0, &mark, 1), elements(1, &mark, 1);
  message->nlmsg_flags |= NLM_F_ACK;
  bound(NFNL_MSG_BATCH_END);
  commit();
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  const char *job = count > 1 ? arguments[1] : "";
  const long size = count > 2 ? strtol(arguments[2], NULL, 10) : 0, times = count > 3 ? strtol(arguments[3], NULL, 10) : 0;
  const int each = strcmp(job, "apply-each") == 0, applies = (each || strcmp(job, "apply") == 0) && size > 0;
  if (!applies && (strcmp(job, "change") != 0 || size <= 0 || times <= 0)) {
    fprintf(stderr, "usage: %s apply MARKS | apply-each MARKS | change MARKS TIMES\n", arguments[0]);
    return 1;
  }
  sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (sock < 0) exit((perror("socket"), 1));
  const int room = 1 << 29;
  setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  out = malloc(4096 + size * 256);
  struct mark *marks = calloc(size, sizeof *marks);
  for (long i = 0; i < size; i++) marks[i] = (struct mark){.address = 0x0a000000 + i, .port = 80, .mark = i + 1};
  const double start = now();
  if (applies) apply(marks, size, each ? 1 : MOST_ELEMENTS);
  for (long i = 0; i < times; i++) {
    struct mark mark = marks[size / 2];
    mark.mark = i % 2 + 1;
    set(mark);
  }
  printf("%.4f\n", (now() - start) / (applies ? 1 : times));
  return 0;
}
