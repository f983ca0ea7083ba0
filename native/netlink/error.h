// What can go wrong between us and the kernel.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <utility>
#include <variant>

namespace netlink {

// An errno, and in words what the kernel said (extended ack) or what we were doing.
// Code 0 is success.
struct Failure {
  int code = 0;
  std::string message;

  explicit operator bool() const { return code != 0; }
};

// The message for a write that ended early; the errno that goes with it is EIO.
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
