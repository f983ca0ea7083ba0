// Tests of network namespaces; they require CAP_SYS_ADMIN (root, or a new user namespace).
#include "netns/namespace.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include "netlink/socket.h"

using netns::Namespace;
using netns::ReadFiles;
using netns::WriteFile;

namespace {

// A network namespace that lives as long as this object: an idle thread holds it.
class OtherNamespace {
 public:
  OtherNamespace() {
    std::promise<int> entered;
    auto result = entered.get_future();
    thread_ = std::thread([this, entered = std::move(entered)]() mutable {
      path_ = "/proc/self/task/" + std::to_string(gettid()) + "/ns/net";
      entered.set_value(unshare(CLONE_NEWNET) == 0 ? 0 : errno);
      leave_.get_future().wait();
    });
    REQUIRE_MESSAGE(result.get() == 0, "the tests of namespaces take CAP_SYS_ADMIN");
  }
  ~OtherNamespace() {
    leave_.set_value();
    thread_.join();
  }
  OtherNamespace(const OtherNamespace&) = delete;
  OtherNamespace& operator=(const OtherNamespace&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::promise<void> leave_;
  std::thread thread_;
};

std::string Inode(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

std::string OwnNamespace() { return Inode("/proc/thread-self/ns/net"); }

// Returns the interfaces in the namespace of the calling thread, each followed by a space.
std::string Interfaces() {
  std::ifstream file("/proc/thread-self/net/dev");
  std::string names;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(' ');
    names += line.substr(start, colon - start) + " ";
  }
  return names;
}

struct TemporaryFile {
  TemporaryFile() {
    std::string name = (std::filesystem::temp_directory_path() / "native-tests.XXXXXX").string();
    const netlink::FileDescriptor fd(mkstemp(name.data()));
    REQUIRE(fd.valid());
    path = name;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::string path;
};

}  // namespace

TEST_CASE("opening what is not there: ENOENT") {
  const auto result = Namespace::Open("/run/netns/there is no such namespace");
  REQUIRE_FALSE(result.ok());
  CHECK(result.failure().code == ENOENT);
  CHECK(result.failure().message.find("there is no such namespace") != std::string::npos);
}

TEST_CASE("opening what is no network namespace: EINVAL") {
  const TemporaryFile file;
  for (const std::string& path : {file.path, std::string("/dev/null"), std::string("/"),
                                  std::string("/proc/self/ns/mnt"), std::string("/proc/self/status")}) {
    CAPTURE(path);
    const auto result = Namespace::Open(path);
    REQUIRE_FALSE(result.ok());
    CHECK(result.failure().code == EINVAL);
    CHECK(result.failure().message == path + " is not a network namespace");
  }
}

TEST_CASE("without a namespace, work is done in the calling thread") {
  std::thread::id id;
  CHECK_FALSE(Namespace().Run([&] { id = std::this_thread::get_id(); }));
  CHECK(id == std::this_thread::get_id());
}

TEST_CASE("work in another namespace sees that one, the caller stays where it is") {
  const OtherNamespace other;
  const std::string before = OwnNamespace();
  const std::string interfaces = Interfaces();
  auto opened = Namespace::Open(other.path());
  REQUIRE(opened.ok());
  std::string seen;
  std::string inside;
  std::thread::id id;
  CHECK_FALSE(opened.value().Run([&] {
    seen = Interfaces();
    inside = OwnNamespace();
    id = std::this_thread::get_id();
  }));
  CHECK(seen == "lo ");
  CHECK(inside == Inode(other.path()));
  CHECK(inside != before);
  CHECK(id != std::this_thread::get_id());
  CHECK(OwnNamespace() == before);
  CHECK(Interfaces() == interfaces);
}

TEST_CASE("a namespace lives on while it is open, also when copied") {
  Namespace kept;
  std::string inode;
  {
    const OtherNamespace other;
    inode = Inode(other.path());
    auto opened = Namespace::Open(other.path());
    REQUIRE(opened.ok());
    kept = opened.value();
  }
  std::string seen;
  CHECK_FALSE(kept.Run([&] { seen = OwnNamespace(); }));
  CHECK(seen == inode);
}

TEST_CASE("a socket keeps the namespace it was opened in, and sysctls are those of the thread") {
  const OtherNamespace other;
  auto opened = Namespace::Open(other.path());
  REQUIRE(opened.ok());
  int error = -1;
  std::string inside;
  const std::string sysctl = "/proc/sys/net/ipv4/ip_default_ttl";
  const auto outside = ReadFiles({sysctl})[0].text;
  CHECK_FALSE(opened.value().Run([&] {
    auto socket = netlink::Socket::Open(NETLINK_ROUTE);
    error = socket.ok() ? 0 : socket.failure().code;
    CHECK_FALSE(WriteFile(sysctl, "33"));
    inside = ReadFiles({sysctl})[0].text;
  }));
  CHECK(error == 0);
  CHECK(inside == "33\n");
  CHECK(ReadFiles({sysctl})[0].text == outside);
}

TEST_CASE("files are read whole, each with its own outcome") {
  const TemporaryFile file;
  const std::string text(100'000, 'x');  // longer than one read
  REQUIRE_FALSE(WriteFile(file.path, text));
  const auto contents = ReadFiles({"/proc/no such file", file.path, "/", "/proc/self/ns/net"});
  REQUIRE(contents.size() == 4);
  CHECK(contents[0].error == ENOENT);
  CHECK(contents[1].error == 0);
  CHECK(contents[1].text == text);
  CHECK(contents[2].error == EISDIR);
  CHECK(contents[3].error == EINVAL);
  CHECK(ReadFiles({}).empty());
}

TEST_CASE("writing tells the errno") {
  CHECK(WriteFile("/proc/no such file", "1").code == ENOENT);
  CHECK(WriteFile("/", "1").code == EISDIR);
  CHECK(WriteFile("/dev/full", "1").code == ENOSPC);
}
