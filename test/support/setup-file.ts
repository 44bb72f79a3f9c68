import { afterAll } from 'vitest';
import { endProcesses } from './processes.ts';

afterAll(endProcesses);
