import type { TestProject } from 'vitest/node';
import { setUpCluster } from './cluster-setup.ts';

/** As cluster-setup.ts, and primaries are killed during the run. */
export default (project: TestProject) => setUpCluster(project, true);
