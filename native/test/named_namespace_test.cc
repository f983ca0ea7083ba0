// Tests of named namespaces; they require CAP_SYS_ADMIN. Each runs in a new mount namespace, so its mounts disappear
// with its thread.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "netlink/packet_socket.h"
#include "netns/named.h"
#include "netns/namespace.h"

using netns::DeleteNamed;
using netns::Namespace;
using netns::Patience;

namespace {

// Runs `work(directory)` in a new mount namespace; the directory does not exist yet.
void InMountNamespace(const std::function<void(const std::string&)>& work) {
  std::string base = (std::filesystem::temp_directory_path() / "native-tests.XXXXXX").string();
  REQUIRE(mkdtemp(base.data()) != nullptr);
  std::thread([&] {
    REQUIRE(unshare(CLONE_NEWNS) == 0);
    REQUIRE(mount("", "/", nullptr, MS_PRIVATE | MS_REC, nullptr) == 0);
    work(base + "/netns");
  }).join();
  std::filesystem::remove_all(base);
}

netlink::Failure CreateNamed(const std::string& directory, const std::string& name) {
  Patience patience;
  return netns::CreateNamed(directory, name, patience);
}

// Locks a directory that is not a mount point yet, like another process.
netlink::FileDescriptor Lock(const std::string& directory) {
  std::filesystem::create_directory(directory);
  netlink::FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(flock(fd.get(), LOCK_EX) == 0);
  return fd;
}

size_t Mounts() {
  std::ifstream file("/proc/thread-self/mountinfo");
  size_t count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

ino_t OwnNamespace() {
  struct stat status {};
  REQUIRE(stat("/proc/thread-self/ns/net", &status) == 0);
  return status.st_ino;
}

}  // namespace

TEST_CASE("a named namespace is made, entered and deleted, and the caller stays where it is") {
  InMountNamespace([](const std::string& directory) {
    const ino_t own = OwnNamespace();
    REQUIRE_FALSE(CreateNamed(directory, "blue"));
    CHECK(OwnNamespace() == own);
    const size_t mounts = Mounts();
    auto opened = Namespace::Open(directory + "/blue");
    REQUIRE(opened.ok());
    ino_t inside = 0;
    CHECK_FALSE(opened.value().Run([&] { inside = OwnNamespace(); }));
    CHECK(inside != own);
    CHECK(CreateNamed(directory, "blue").code == EEXIST);
    CHECK(Mounts() == mounts);
    CHECK_FALSE(CreateNamed(directory, "green"));
    CHECK_FALSE(DeleteNamed(directory, "green"));
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(DeleteNamed(directory, "blue").code == ENOENT);
    CHECK(Mounts() == mounts - 1);
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("what is no namespace is not deleted") {
  InMountNamespace([](const std::string& directory) {
    REQUIRE_FALSE(CreateNamed(directory, "blue"));
    std::ofstream(directory + "/notes") << "mine";
    CHECK(DeleteNamed(directory, "notes").code == EINVAL);
    CHECK(std::filesystem::exists(directory + "/notes"));
    std::filesystem::create_directory(directory + "/more");
    CHECK(DeleteNamed(directory, "more").code == EINVAL);
    std::ofstream(directory + "/left");  // of a namespace that is gone
    CHECK_FALSE(DeleteNamed(directory, "left"));
    std::filesystem::create_symlink(directory + "/blue", directory + "/link");
    CHECK_FALSE(DeleteNamed(directory, "link"));
    CHECK(Namespace::Open(directory + "/blue").ok());
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("a namespace that cannot be made leaves no file behind") {
  InMountNamespace([](const std::string& directory) {
    REQUIRE_FALSE(CreateNamed(directory, "blue"));
    CHECK(CreateNamed(directory, "no/such").code == ENOENT);
    CHECK(CreateNamed(directory + "/no/such", "green").code == ENOENT);
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(std::filesystem::is_empty(directory));
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("a lock that another process holds is waited for until the limit, and nothing is left behind") {
  InMountNamespace([](const std::string& directory) {
    const size_t mounts = Mounts();
    const auto lock = Lock(directory);
    Patience patience(std::chrono::milliseconds(50));
    const auto failure = netns::CreateNamed(directory, "blue", patience);
    CHECK(failure.code == ETIMEDOUT);
    CHECK(failure.message == "flock " + directory);
    CHECK(std::filesystem::is_empty(directory));
    CHECK(Mounts() == mounts);
  });
}

TEST_CASE("a wait for a lock can be given up from another thread") {
  InMountNamespace([](const std::string& directory) {
    const auto lock = Lock(directory);
    Patience patience;
    std::thread other([&] { patience.GiveUp(); });
    CHECK(netns::CreateNamed(directory, "blue", patience).code == ECANCELED);
    other.join();
    CHECK(std::filesystem::is_empty(directory));
  });
}

TEST_CASE("a lock that is released in time is taken") {
  InMountNamespace([](const std::string& directory) {
    auto lock = Lock(directory);
    Patience patience;
    std::thread other([&] {
      usleep(30'000);
      lock = {};
    });
    CHECK_FALSE(netns::CreateNamed(directory, "blue", patience));
    other.join();
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("a directory that is a shared mount already takes no lock") {
  InMountNamespace([](const std::string& directory) {
    REQUIRE_FALSE(CreateNamed(directory, "blue"));
    const size_t mounts = Mounts();
    const auto lock = Lock(directory);
    Patience patience(std::chrono::milliseconds(0));
    CHECK_FALSE(netns::CreateNamed(directory, "green", patience));
    CHECK(Mounts() == mounts + 1);
    CHECK_FALSE(DeleteNamed(directory, "green"));
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("frames: what cannot be sent") {
  const std::string frame(60, 'x');
  const auto bytes = std::as_bytes(std::span(frame));
  CHECK(netlink::SendFrame(0, bytes).code == ENXIO);
  CHECK(netlink::SendFrame(0x7fffffff, bytes).code != 0);
  CHECK(netlink::SendFrame(1, bytes.first(13)).code == EINVAL);
}
