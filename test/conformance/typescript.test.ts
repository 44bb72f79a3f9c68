import { conformance } from './suite.ts';
import { typescript } from './workers.ts';

conformance(typescript);
