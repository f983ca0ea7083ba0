#include "binding/throwaway_threads.h"

#include <system_error>
#include <utility>

namespace binding {

netlink::Failure ThrowawayThreads::Start(std::shared_ptr<netns::Patience> patience,
                                         std::function<void(netns::Patience&)> work,
                                         std::shared_ptr<netlink::Strand> strand, netlink::Strand::Task ended) {
  const std::lock_guard lock(mutex_);
  const uint32_t number = ++last_;
  try {
    std::thread thread(
        [this, number, patience, work = std::move(work), strand = std::move(strand), ended = std::move(ended)] {
          work(*patience);
          strand->Post([this, number, ended] {
            Join(number);
            ended();
          });
        });
    running_.emplace(number, Running{std::move(thread), std::move(patience)});
  } catch (const std::system_error& error) {
    return {error.code().value(), "cannot start a thread"};
  }
  return {};
}

void ThrowawayThreads::Join(uint32_t number) {
  Running running;
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(number);
    if (found == running_.end()) return;
    running = std::move(found->second);
    running_.erase(found);
  }
  running.thread.join();
}

void ThrowawayThreads::Stop() {
  std::unordered_map<uint32_t, Running> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(running_);
  }
  for (auto& [number, running] : left) running.patience->GiveUp();
  for (auto& [number, running] : left) running.thread.join();
}

}  // namespace binding
