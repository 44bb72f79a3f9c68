import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Node gives the libraries graphql's CommonJS build, Vite would give us the other one, and the two do not mix.
  resolve: { alias: { graphql: 'graphql/index.js' } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/setup-file.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Tests wait for events; these limits only end the ones that wait for something that will not come.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } },
    // Most files wait for databases and processes more than they compute.
    maxWorkers: 2,
    pool: 'forks',
  },
});
