#pragma once

#include <napi.h>

namespace binding {

// Returns the sizes and offsets of the conntrack records, for the test that compares them with TypeScript's.
Napi::Object ConntrackLayout(Napi::Env env);

}  // namespace binding
