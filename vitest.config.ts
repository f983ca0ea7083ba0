import { defineConfig } from 'vitest/config';

/** One after another in one process: they share a kernel, and starting a process takes seconds in the virtual machine. */
function onKernel(name: string) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      pool: 'forks' as const,
      fileParallelism: false,
      isolate: false,
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  };
}

export default defineConfig({
  test: {
    // In an emulated machine translating TypeScript takes minutes: it reads what was translated outside (scripts/test).
    experimental: { fsModuleCache: true, fsModuleCachePath: 'out/module-cache' },
    projects: [
      // A test waits on nothing but the processor, which others may use: the limit only ends one that hangs.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 } },
      onKernel('kernel'), // IPVS
      onKernel('roles'), // IPVS too
      onKernel('desired'), // and here
      onKernel('conntrack'),
      onKernel('netfilter'),
      onKernel('network'),
    ],
  },
});
