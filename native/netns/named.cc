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
#include <system_error>
#include <thread>

#include "netlink/file_descriptor.h"

namespace netns {

using netlink::Failure;
using netlink::FileDescriptor;

namespace {

// Makes the directory a shared mount, so that namespaces mounted in it are seen, and can be
// unmounted, in every mount namespace.
Failure Share(const std::string& directory) {
  const char* const path = directory.c_str();
  bool mounted = false;
  while (mount("", path, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    // EINVAL: it is no mount point yet.
    if (errno != EINVAL || mounted) return {errno, "share the mount " + directory};
    if (mount(path, path, "none", MS_BIND | MS_REC, nullptr) != 0) return {errno, "mount " + directory};
    mounted = true;
  }
  return {};
}

// In a thread of its own: whoever enters a namespace never comes back.
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

Failure CreateNamed(const std::string& directory, const std::string& name) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return {errno, "make " + directory};
  {
    const FileDescriptor lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.valid()) return {errno, "open " + directory};
    // As iproute2 does: two that share it at a time would mount it twice.
    if (flock(lock.get(), LOCK_EX) != 0) return {errno, "lock " + directory};
    Failure failure = Share(directory);
    if (failure) return failure;
  }
  const std::string path = directory + "/" + name;
  {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (!file.valid()) return {errno, "make " + path};
  }
  Failure failure = MountNew(path);
  if (failure) unlink(path.c_str());
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
    // What is left where the namespace is mounted no more (or was, in another mount namespace) is an
    // empty file.
    const bool left = S_ISREG(status.st_mode) && status.st_size == 0;
    if (!mounted && !left) return {EINVAL, path + " is not a network namespace"};
    if (mounted && umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return {errno, "unmount " + path};
  }
  return unlink(path.c_str()) == 0 ? Failure{} : Failure{errno, "delete " + path};
}

}  // namespace netns
