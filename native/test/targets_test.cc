// Runs every fuzz target with its seeds and with damaged seeds; the damage is the same in every run.
#include "fuzz/targets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

namespace {

constexpr int kRounds = 3000;

// Damages a seed: flips bits, cuts, repeats, inserts, and copies a piece of another seed into it.
netlink::Bytes Damage(netlink::Bytes bytes, const netlink::Bytes& other, std::mt19937& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (size_t change = 0; change <= below(4); ++change) {
    const size_t at = below(bytes.size());
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random() % 6) {
      case 0:
        if (!bytes.empty()) bytes[at] ^= static_cast<std::byte>(1U << (random() % 8));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<std::byte>(random());
        break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(begin, static_cast<std::byte>(random())); break;
      case 4: {
        const netlink::Bytes piece(begin, bytes.begin() + static_cast<std::ptrdiff_t>(at + below(bytes.size() - at)));
        bytes.insert(begin, piece.begin(), piece.end());
        break;
      }
      default: {
        const size_t from = below(other.size());
        const auto first = other.begin() + static_cast<std::ptrdiff_t>(from);
        bytes.insert(begin, first, first + static_cast<std::ptrdiff_t>(below(other.size() - from)));
      }
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("whatever the kernel sends is read, reported or refused") {
  for (const fuzz::Target& target : fuzz::kTargets) {
    CAPTURE(target.name);
    const auto seeds = target.seeds();
    REQUIRE_FALSE(seeds.empty());
    target.feed({});
    for (const netlink::Bytes& seed : seeds) target.feed(seed);
    std::mt19937 random(1);
    for (int round = 0; round < kRounds; ++round) {
      target.feed(Damage(seeds[random() % seeds.size()], seeds[random() % seeds.size()], random));
    }
  }
}
