// Network namespaces. A thread that has entered one is never used again: only sockets and files
// are opened there, and they keep the namespace they were opened in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "netlink/error.h"
#include "netlink/file_descriptor.h"

namespace netns {

class Namespace {
 public:
  // The one this process runs in.
  Namespace() = default;
  // ENOENT: no such file. EINVAL: a file, but not a network namespace.
  static netlink::Result<Namespace> Open(const std::string& path);

  // Runs `work` in a thread of its own in this namespace, and waits for it.
  // EPERM: entering a namespace takes CAP_SYS_ADMIN.
  netlink::Failure Run(const std::function<void()>& work) const;

 private:
  std::shared_ptr<netlink::FileDescriptor> fd_;
};

// What a file holds, or why it could not be read (`error` is an errno).
struct FileContent {
  int error = 0;
  std::string text;
};

// In the namespace of the calling thread, which is why a namespace's /proc/net is read as
// /proc/thread-self/net (/proc/net is the main thread's) and /proc/sys/net as it is.
std::vector<FileContent> ReadFiles(const std::vector<std::string>& paths);
// EIO: the kernel took a part of the text only.
netlink::Failure WriteFile(const std::string& path, const std::string& text);

}  // namespace netns
