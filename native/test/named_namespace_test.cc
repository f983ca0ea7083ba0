// Takes CAP_SYS_ADMIN. The tests run in a mount namespace of their own, so that what they mount goes
// with the thread.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "netlink/packet_socket.h"
#include "netns/named.h"
#include "netns/namespace.h"

using netns::CreateNamed;
using netns::DeleteNamed;
using netns::Namespace;

namespace {

// `work(directory)` with a directory that is not there yet.
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

TEST_CASE("a namespace that can not be made leaves no file behind") {
  InMountNamespace([](const std::string& directory) {
    REQUIRE_FALSE(CreateNamed(directory, "blue"));
    CHECK(CreateNamed(directory, "no/such").code == ENOENT);
    CHECK(CreateNamed(directory + "/no/such", "green").code == ENOENT);
    CHECK_FALSE(DeleteNamed(directory, "blue"));
    CHECK(std::filesystem::is_empty(directory));
    CHECK(umount2(directory.c_str(), MNT_DETACH) == 0);
  });
}

TEST_CASE("frames: what can not be sent") {
  const std::string frame(60, 'x');
  const auto bytes = std::as_bytes(std::span(frame));
  CHECK(netlink::SendFrame(0, bytes).code == ENXIO);
  CHECK(netlink::SendFrame(0x7fffffff, bytes).code != 0);
  CHECK(netlink::SendFrame(1, bytes.first(13)).code == EINVAL);
}
