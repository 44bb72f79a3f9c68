import { conformance } from './suite.ts';
import { cpp } from './workers.ts';

conformance(cpp);
