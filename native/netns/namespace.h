// Network namespaces. A thread that has entered one is never used again: it opens sockets and files, which keep the
// namespace in which they were opened.
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
  // The namespace in which this process runs.
  Namespace() = default;
  // Opens a namespace by its path. ENOENT: no such file. EINVAL: the file is not a network namespace.
  static netlink::Result<Namespace> Open(const std::string& path);

  // Runs `work` in a throwaway thread in this namespace, and waits for it.
  // EPERM: entering a namespace requires CAP_SYS_ADMIN.
  netlink::Failure Run(const std::function<void()>& work) const;

 private:
  std::shared_ptr<netlink::FileDescriptor> fd_;
};

// The content of a file, or the errno of a failed read in `error`.
struct FileContent {
  int error = 0;
  std::string text;
};

// Reads files in the namespace of the calling thread. Read /proc/net as /proc/thread-self/net (/proc/net is the main
// thread's); /proc/sys/net is that of the calling thread.
std::vector<FileContent> ReadFiles(const std::vector<std::string>& paths);
// Writes the text with one write. EIO: the kernel took only a part of it.
netlink::Failure WriteFile(const std::string& path, const std::string& text);

}  // namespace netns
