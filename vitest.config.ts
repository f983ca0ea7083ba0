import { defineConfig } from 'vitest/config';

/** Folders of the tests that talk to a kernel. `ipvs`, `roles`, `desired` and `recipes` need IPVS. */
const onKernel = ['ipvs', 'roles', 'desired', 'recipes', 'conntrack', 'netfilter', 'network', 'package'];

export default defineConfig({
  test: {
    // In an emulated machine translating TypeScript takes minutes: it reads what was translated outside (scripts/test).
    experimental: { fsModuleCache: true, fsModuleCachePath: 'out/module-cache' },
    projects: [
      // A test waits on nothing but the processor, which others may use: the limit only ends one that hangs.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 } },
      {
        // One after another in one process: they share a kernel, and importing the library takes 12 s in the virtual machine.
        test: {
          name: 'kernel',
          include: onKernel.map((folder) => `test/${folder}/**/*.test.ts`),
          pool: 'forks',
          fileParallelism: false,
          isolate: false,
          // Emulated machines on a busy one are slow: the limits only end a test that hangs.
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
