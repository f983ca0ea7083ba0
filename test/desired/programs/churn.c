// Short TCP connections, many at a time: `churn CLIENT ADDRESS PORT AT-A-TIME SERVER-PORT SERVER ...`,
// with CLIENT and SERVER names of network namespaces. Each connects, asks with a number of its own,
// and takes the answer until the server closes. For each character of its input it makes 10 more, and
// says how many are over at each tenth; at the end of its input it says how it was, in a line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kRequest = 24, kMost = 1024, kPatience = 30000, kFirstPort = 1024, kPorts = 64000 };

struct Connection {
  int fd;
  int sent;
  int received;
  double begun;
  char request[kRequest];
  char answer[kRequest + 1];
};

static struct Connection connections[kMost];
static struct sockaddr_in target;
static int client_epoll;
static long begun_count, over_count, failed_count;
static double slowest;
static char first_error[200];

static void die(const char* what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void enter(const char* name) {
  char path[200];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(path);
  close(fd);
}

static void watch(int epoll, int operation, int fd, unsigned events, unsigned data) {
  struct epoll_event event = {.events = events, .data.u32 = data};
  if (epoll_ctl(epoll, operation, fd, &event) != 0) die("epoll_ctl");
}

static int listen_in(const char* name, int port) {
  enter(name);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 4096) != 0) die("listen");
  return listener;
}

// Echoes the request, and closes first: the client's ports are free again immediately.
static void serve(int listener) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int epoll = epoll_create1(0);
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, listener);
  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = (int)events[i].data.u32;
      if (fd == listener) {
        int accepted;
        while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
          watch(epoll, EPOLL_CTL_ADD, accepted, EPOLLIN, accepted);
        continue;
      }
      char request[kRequest];
      ssize_t length = recv(fd, request, sizeof request, 0);
      if (length > 0 && send(fd, request, length, MSG_NOSIGNAL) != length) perror("send");
      close(fd);
    }
  }
}

static void begin(struct Connection* one) {
  *one = (struct Connection){0};
  snprintf(one->request, sizeof one->request, "%023ld", begun_count++);
  one->begun = now();
  one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (one->fd < 0) die("socket");
  // A port that no connection had before: IPVS keeps the entries of closed connections for minutes, and may lead a new
  // connection with the same port to the server of the old one (sysctl conn_reuse_mode).
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(kFirstPort + begun_count % kPorts)};
  if (bind(one->fd, (struct sockaddr*)&own, sizeof own) != 0) die("bind");
  if (connect(one->fd, (struct sockaddr*)&target, sizeof target) != 0 && errno != EINPROGRESS) die("connect");
  watch(client_epoll, EPOLL_CTL_ADD, one->fd, EPOLLOUT, (unsigned)(one - connections));
}

static void end(struct Connection* one, const char* error) {
  double took = now() - one->begun;
  if (took > slowest) slowest = took;
  if (error && failed_count++ == 0) {
    struct sockaddr_in own = {0};
    socklen_t length = sizeof own;
    getsockname(one->fd, (struct sockaddr*)&own, &length);
    snprintf(first_error, sizeof first_error, "%s after %.0f ms, port %d%s", error, took, ntohs(own.sin_port),
             one->sent ? ", asked" : "");
    printf("failed: %s\n", first_error);
  }
  close(one->fd);
  one->fd = -1;
  if (++over_count % 10 == 0) printf("%ld\n", over_count);
}

static void go_on(struct Connection* one) {
  if (!one->sent) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) return end(one, strerror(error));
    if (send(one->fd, one->request, kRequest, MSG_NOSIGNAL) != kRequest) return end(one, "not sent");
    one->sent = 1;
    return watch(client_epoll, EPOLL_CTL_MOD, one->fd, EPOLLIN, (unsigned)(one - connections));
  }
  ssize_t length = recv(one->fd, one->answer + one->received, sizeof one->answer - one->received, 0);
  if (length < 0) return errno == EAGAIN ? (void)0 : end(one, strerror(errno));
  one->received += (int)length;
  if (length > 0 && one->received <= kRequest) return;
  int whole = one->received == kRequest && memcmp(one->request, one->answer, kRequest) == 0;
  end(one, whole ? NULL : "another answer");
}

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  setlinebuf(stdout);
  target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &target.sin_addr);
  int most = atoi(argv[4]);
  if (most > kMost) return 2;
  for (int i = 6; i < argc; i++) {
    int listener = listen_in(argv[i], atoi(argv[5]));
    if (fork() == 0) serve(listener);
    close(listener);
  }
  enter(argv[1]);
  client_epoll = epoll_create1(0);
  for (int i = 0; i < most; i++) connections[i].fd = -1;
  watch(client_epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, kMost);
  int open = 1;
  long due = 0;
  double first = now();
  printf("READY\n");
  for (;;) {
    int busy = 0;
    for (int i = 0; i < most; i++) {
      struct Connection* one = &connections[i];
      if (one->fd >= 0 && now() - one->begun > kPatience) end(one, "not over");
      if (one->fd < 0 && begun_count < due) begin(one);
      busy += one->fd >= 0;
    }
    if (!busy && !open) break;
    struct epoll_event events[64];
    int count = epoll_wait(client_epoll, events, 64, 1000);
    for (int i = 0; i < count; i++) {
      char input[64];
      ssize_t length;
      if (events[i].data.u32 != kMost)
        go_on(&connections[events[i].data.u32]);
      else if ((length = read(STDIN_FILENO, input, sizeof input)) > 0)
        due += 10 * length;
      else if (open) {
        open = 0;
        epoll_ctl(client_epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
      }
    }
  }
  printf("{\"connections\":%ld,\"failed\":%ld,\"error\":\"%s\",\"slowest\":%.0f,\"took\":%.0f}\n", over_count,
         failed_count, first_error, slowest, now() - first);
}
