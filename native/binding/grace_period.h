// Waits until every processor has finished the packet that it handles now.
#pragma once

#include <napi.h>

namespace binding {

// gracePeriod(): returns a promise of 0 or an errno. Waits in a thread of Node's pool, usually for 10 to 50 ms.
Napi::Value GracePeriod(const Napi::CallbackInfo& info);

}  // namespace binding
