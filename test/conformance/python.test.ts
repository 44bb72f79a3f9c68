import { conformance } from './suite.ts';
import { python } from './workers.ts';

conformance(python);
