import { defineConfig } from 'vitest/config';
import ImageFirst from './test/support/image-first.ts';

/**
 * On which kinds of Redis the tests run, with commas between: "server", "cluster", and "failover", a cluster whose primaries
 * are killed meanwhile. `npm test` runs the first two.
 */
const topologies = (process.env.TEST_REDIS ?? 'server').split(',');

/** What starts real processes, and does not ask for a Redis of another kind by itself: five minutes on two cores. */
const END_TO_END = ['test/faults/*.test.ts', 'test/life/**/*.test.ts', 'test/conformance/*.test.ts'];
const FOR_ONE_SERVER = ['test/faults/redis-*.test.ts'];
/** Beside all other tests, only those in which the kind of Redis counts most: one minute. */
const SHORT = [
  ...['redis', 'subscriber', 'worker'].map((name) => `test/faults/${name}.test.ts`),
  'test/life/**/*.test.ts',
  'test/conformance/typescript.test.ts',
];

const PROJECTS = [
  { name: 'server', include: ['test/**/*.test.ts'], globalSetup: ['test/support/global-setup.ts'] },
  {
    name: 'cluster',
    include: topologies.includes('server') ? SHORT : END_TO_END,
    exclude: FOR_ONE_SERVER,
    globalSetup: ['test/support/cluster-setup.ts'],
  },
  {
    name: 'failover',
    include: END_TO_END,
    exclude: FOR_ONE_SERVER,
    globalSetup: ['test/support/failover-setup.ts'],
  },
];

export default defineConfig({
  // Node gives the libraries graphql's CommonJS build, Vite would give us the other one, and the two do not mix.
  resolve: { alias: { graphql: 'graphql/index.js' } },
  test: {
    setupFiles: ['test/support/setup-file.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Tests wait for events; these limits only end the ones that wait for something that will not come.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } },
    // The cores of a small machine: three at a time were a sixth faster, and single tests of pages then waited too long.
    maxWorkers: 2,
    pool: 'forks',
    sequence: { sequencer: ImageFirst },
    projects: PROJECTS.filter(({ name }) => topologies.includes(name)).map((test) => ({ extends: true, test })),
  },
});
