#pragma once

#include <memory>

#include "binding/environment.h"

namespace binding {

// The addon's instance data: one for each JavaScript environment that loads it.
struct AddonData {
  std::shared_ptr<Environment> environment;
};

}  // namespace binding
