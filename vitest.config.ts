import { defineConfig } from 'vitest/config';

/**
 * Two projects: `unit` (pure and in-process, seconds, every `*.test.ts` beside the code and `test/*.test.ts`) and
 * `integration` (real control plane, one file at a time, shares one instance through `test/support`).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{api,core,ports,adapters,operator,runtime,local,cli,tools}/**/*.test.ts', 'test/*.test.ts'],
          isolate: false,
          pool: 'threads',
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/{contract,integration,disk,e2e,workloads}/**/*.test.ts'],
          isolate: true,
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
