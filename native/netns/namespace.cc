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
  // A name under /run/netns whose namespace is gone is an empty file on another file system.
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
    const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
      content.error = errno;
      continue;
    }
    std::array<char, 16 * 1024> chunk{};
    ssize_t count = 0;
    while ((count = read(fd.get(), chunk.data(), chunk.size())) > 0) {
      content.text.append(chunk.data(), static_cast<size_t>(count));
    }
    if (count < 0) content.error = errno;
  }
  return contents;
}

int WriteFile(const std::string& path, const std::string& text) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno;
  return write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

}  // namespace netns
