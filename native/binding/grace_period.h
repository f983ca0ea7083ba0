// Waiting until no processor of the machine handles a packet any more that it handles now.
#pragma once

#include <napi.h>

namespace binding {

// gracePeriod(): a promise of 0, or of an errno. Waits in a thread of Node's pool, mostly for 10 to 50 ms.
Napi::Value GracePeriod(const Napi::CallbackInfo& info);

}  // namespace binding
