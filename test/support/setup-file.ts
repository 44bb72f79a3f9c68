import { afterAll } from 'vitest';
import { endPrivateServers } from './private-servers.ts';
import { endProcesses } from './processes.ts';

afterAll(async () => {
  await endProcesses();
  await endPrivateServers();
});
