// The libFuzzer program: checks that reading is safe for any input. One program has all targets (scripts/fuzz); its
// file name selects the target. `fuzz-targets --seeds DIRECTORY` writes the seeds and the names of all targets.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "fuzz/targets.h"

namespace {

const fuzz::Target* chosen = nullptr;

void WriteSeeds(const std::filesystem::path& directory) {
  for (const fuzz::Target& target : fuzz::kTargets) {
    std::filesystem::create_directories(directory / target.name);
    size_t number = 0;
    for (const netlink::Bytes& seed : target.seeds()) {
      std::ofstream file(directory / target.name / ("seed-" + std::to_string(number++)), std::ios::binary);
      file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    }
    std::puts(target.name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::string((*argv)[1]) == "--seeds") {
    WriteSeeds((*argv)[2]);
    std::exit(0);
  }
  const char* const name = std::getenv("FUZZ_TARGET");
  for (const fuzz::Target& target : fuzz::kTargets) {
    if (name != nullptr && std::strcmp(name, target.name) == 0) chosen = &target;
  }
  if (chosen != nullptr) return 0;
  std::fputs("FUZZ_TARGET names no target (see fuzz/targets.h)\n", stderr);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chosen->feed(std::as_bytes(std::span(data, size)));
  return 0;
}
