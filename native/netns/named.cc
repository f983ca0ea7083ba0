#include "netns/named.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "netlink/file_descriptor.h"

namespace netns {

using netlink::Failure;
using netlink::FileDescriptor;

namespace {

// Interval between two attempts to take the lock.
constexpr std::chrono::milliseconds kRetry{10};

// Makes a mount shared, so that the namespaces mounted in it are visible, and can be unmounted, in every mount
// namespace. EINVAL: the directory is not a mount point.
Failure Share(const std::string& directory) {
  if (mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  return {errno, "share the mount " + directory};
}

// Makes the directory a shared mount under a lock, like iproute2, because two processes at a time would mount it twice.
// Every user who may open the directory can hold that lock forever. So the lock is taken only if there is no mount
// yet, and without blocking.
Failure MountShared(const std::string& directory, Patience& patience) {
  Failure failure = Share(directory);
  if (failure.code != EINVAL) return failure;
  const FileDescriptor lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return {errno, "open " + directory};
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return {errno, "lock " + directory};
    if (!patience.Wait(kRetry)) {
      if (patience.given_up()) return {ECANCELED, ""};
      return {ETIMEDOUT, "flock " + directory};
    }
    failure = Share(directory);
    if (failure.code != EINVAL) return failure;
  }
  failure = Share(directory);
  if (failure.code != EINVAL) return failure;
  const char* const path = directory.c_str();
  if (mount(path, path, "none", MS_BIND | MS_REC, nullptr) != 0) return {errno, "mount " + directory};
  return Share(directory);
}

// Mounts a new network namespace on `path`. Runs in a throwaway thread, which stays in the new namespace.
Failure MountNew(const std::string& path) {
  Failure failure;
  try {
    std::thread([&] {
      if (unshare(CLONE_NEWNET) != 0) {
        failure = {errno, "unshare"};
      } else if (mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
        failure = {errno, "mount " + path};
      }
    }).join();
  } catch (const std::system_error& error) {
    failure = {error.code().value(), "cannot start a thread"};
  }
  return failure;
}

}  // namespace

Failure CreateNamed(const std::string& directory, const std::string& name, Patience& patience) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return {errno, "make " + directory};
  if (Failure failure = MountShared(directory, patience)) return failure;
  const std::string path = directory + "/" + name;
  {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (!file.valid()) return {errno, "make " + path};
  }
  Failure failure = MountNew(path);
  if (failure && unlink(path.c_str()) != 0) {
    failure.message += ", and " + path + " is left: errno " + std::to_string(errno);
  }
  return failure;
}

Failure DeleteNamed(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {errno, "find " + path};
  if (!S_ISLNK(status.st_mode)) {
    struct statfs system {};
    if (statfs(path.c_str(), &system) != 0) return {errno, "find " + path};
    const bool mounted = system.f_type == NSFS_MAGIC;
    // An empty file is the mount point of a namespace that is unmounted, or mounted in another mount namespace only.
    const bool left = S_ISREG(status.st_mode) && status.st_size == 0;
    if (!mounted && !left) return {EINVAL, path + " is not a network namespace"};
    if (mounted && umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return {errno, "unmount " + path};
  }
  return unlink(path.c_str()) == 0 ? Failure{} : Failure{errno, "delete " + path};
}

}  // namespace netns
