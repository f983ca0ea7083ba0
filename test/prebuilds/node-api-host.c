// Stands in for Node where there is none for musl: loads an addon and runs its Init with stubs of Node-API, once as it
// is and once for each call that Init makes, which then fails. Init has to turn each failure into an exception of
// JavaScript.
//   node-api-host ADDON
// functions.h, which scripts/test-prebuilds writes, has STUB(name) for each function that is not defined here.
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OK = 0, GENERIC_FAILURE = 9 };
typedef void *value;

/** Number of calls so far, the one that fails (0: none), and of exceptions. */
static int calls, failing, thrown;

static int step(void) { return ++calls == failing ? GENERIC_FAILURE : OK; }

#define STUB(name) \
  int name() { return step(); }
#include "functions.h"
#undef STUB

struct error_info {
  const char *message;
  void *reserved;
  unsigned engine_code;
  int code;
};

// node-addon-api calls these to make an exception: they never fail.
int napi_throw(void *env, value error) {
  (void)env, (void)error;
  thrown++;
  return OK;
}
int napi_is_exception_pending(void *env, bool *result) {
  (void)env;
  *result = false;
  return OK;
}
int napi_has_own_property(void *env, value object, value key, bool *result) {
  (void)env, (void)object, (void)key;
  *result = false;
  return OK;
}
int napi_get_last_error_info(void *env, const struct error_info **result) {
  (void)env;
  static const struct error_info info = {"made to fail", NULL, 0, GENERIC_FAILURE};
  *result = &info;
  return OK;
}
_Noreturn void napi_fatal_error(const char *where, size_t where_length, const char *message, size_t length) {
  (void)where_length, (void)length;
  fprintf(stderr, "fatal error in %s: %s\n", where ? where : "?", message ? message : "?");
  abort();
}
void napi_module_register(void *module) { (void)module; }
static int object;  // any address serves as a value
int napi_create_error(void *env, value code, value message, value *result) {
  (void)env, (void)code, (void)message;
  *result = &object;
  return OK;
}
int napi_create_string_utf8(void *env, const char *text, size_t length, value *result) {
  (void)env, (void)text, (void)length;
  *result = &object;
  return OK;
}
int napi_create_reference(void *env, value of, unsigned count, void **result) {
  (void)env, (void)of, (void)count;
  *result = &object;
  return OK;
}
int napi_get_reference_value(void *env, void *reference, value *result) {
  (void)env, (void)reference;
  *result = &object;
  return OK;
}

typedef value (*init_function)(void *env, value exports);

/** Runs Init in a process of its own. Writes the number of calls to `count`. Returns true if it threw as expected. */
static bool run(init_function init, int fails, int *count) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    failing = fails;
    init(&object, &object);
    ssize_t written = write(ends[1], &calls, sizeof calls);
    _exit(written == sizeof calls && thrown == (fails ? 1 : 0) ? 0 : 1);
  }
  close(ends[1]);
  bool whole = read(ends[0], count, sizeof *count) == sizeof *count;
  close(ends[0]);
  int status;
  return waitpid(child, &status, 0) == child && whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv) {
  void *addon = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (!addon) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: node-api-host ADDON");
    return 1;
  }
  init_function init = (init_function)dlsym(addon, "napi_register_module_v1");
  int all = 0;
  if (!init || !run(init, 0, &all) || all == 0) {
    fprintf(stderr, "Init failed after %d calls\n", all);
    return 1;
  }
  int passed = 0;
  for (int each = 1; each <= all; each++) {
    int count;
    if (run(init, each, &count))
      passed++;
    else
      fprintf(stderr, "call %d of Init failed, and no exception came of it\n", each);
  }
  printf("Init makes %d calls; %d of %d failures became an exception\n", all, passed, all);
  return passed == all ? 0 : 1;
}
