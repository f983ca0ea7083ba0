// Failures of kernel calls and netlink requests.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <utility>
#include <variant>

namespace netlink {

// An errno, and the kernel's message (extended ack) or the name of the step that failed.
// Code 0 is success.
struct Failure {
  int code = 0;
  std::string message;

  explicit operator bool() const { return code != 0; }
};

// Returns the message for a partial write; its errno is EIO.
inline std::string PartlyTaken(ssize_t taken, size_t size) {
  return "the kernel took " + std::to_string(taken) + " of " + std::to_string(size) + " bytes";
}

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Failure failure) : state_(std::move(failure)) {}

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() { return std::get<T>(state_); }
  const Failure& failure() const { return std::get<Failure>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace netlink
