#include "netns/namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace netns {

using netlink::Failure;
using netlink::FileDescriptor;

netlink::Result<Namespace> Namespace::Open(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Failure{errno, "open " + path};
  // A file under /run/netns whose namespace is unmounted is an empty file of another file system.
  const int type = ioctl(fd.get(), NS_GET_NSTYPE);
  if (type != CLONE_NEWNET) return Failure{EINVAL, path + " is not a network namespace"};
  Namespace result;
  result.fd_ = std::make_shared<FileDescriptor>(std::move(fd));
  return result;
}

Failure Namespace::Run(const std::function<void()>& work) const {
  if (!fd_) {
    work();
    return {};
  }
  Failure failure;
  try {
    std::thread([&] {
      if (setns(fd_->get(), CLONE_NEWNET) != 0) {
        failure = {errno, "setns"};
        return;
      }
      work();
    }).join();
  } catch (const std::system_error& error) {
    failure = {error.code().value(), "cannot start a thread"};
  }
  return failure;
}

std::vector<FileContent> ReadFiles(const std::vector<std::string>& paths) {
  std::vector<FileContent> contents;
  contents.reserve(paths.size());
  for (const auto& path : paths) {
    FileContent& content = contents.emplace_back();
    // O_NONBLOCK: opening a FIFO would wait for a writer.
    const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) {
      content.error = errno;
      continue;
    }
    std::array<char, 16 * 1024> chunk{};
    for (;;) {
      const ssize_t count = read(fd.get(), chunk.data(), chunk.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) content.error = errno;
      if (count <= 0) break;
      content.text.append(chunk.data(), static_cast<size_t>(count));
    }
  }
  return contents;
}

Failure WriteFile(const std::string& path, const std::string& text) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return {errno, "open " + path};
  for (;;) {
    const ssize_t count = write(fd.get(), text.data(), text.size());
    if (count >= 0 && static_cast<size_t>(count) == text.size()) return {};
    // A sysctl takes its value in one write and ignores a second write at an offset.
    if (count >= 0) return {EIO, "write " + path + ": " + netlink::PartlyTaken(count, text.size())};
    if (errno != EINTR) return {errno, "write " + path};
  }
}

}  // namespace netns
