#pragma once

#include <napi.h>

namespace binding {

// Sizes and offsets of the records of conntrack, for the test that compares them with TypeScript's.
Napi::Object ConntrackLayout(Napi::Env env);

}  // namespace binding
