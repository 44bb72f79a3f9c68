import { readFile } from 'node:fs/promises';
import type { Redis } from 'ioredis';

const PAGE = new URL('../../docs/worker-protocol.md', import.meta.url);
const USER = 'worker';
const PASSWORD = 'secret';

/** The settings with which a process logs in as the worker's user. */
export const WORKER_LOGIN: Readonly<Record<string, string>> = Object.fromEntries(
  ['HIGH', 'LOW'].flatMap((lane) => [
    [`REDIS_USERNAME_${lane}`, USER],
    [`REDIS_PASSWORD_${lane}`, PASSWORD],
  ]),
);

/** The prefix of the keys for which docs/worker-protocol.md prints the rights. */
export const WORKER_PREFIX = 'tf';

/** The rights of a worker as docs/worker-protocol.md prints them: the part of an ACL line behind the name and the password. */
const readLine = async (): Promise<string> => {
  const line = /^```acl\n(.*)\n```$/m.exec(await readFile(PAGE, 'utf8'))?.[1];
  if (!line) throw new Error(`${PAGE} has no ACL line`);
  return line;
};

/** An ACL file of Redis with the worker's user, beside one who may do everything. */
export const workerAclFile = async (): Promise<string> =>
  `user default on nopass ~* &* +@all\nuser ${USER} on >${PASSWORD} ${await readLine()}\n`;

/** @returns the rights, as ACL SETUSER takes them: what stands in parentheses is one */
export const readWorkerRules = async (): Promise<string[]> => (await readLine()).match(/\([^)]*\)|[^ ]+/g) ?? [];

/** Makes the user, with these rights and no others. */
export const setWorkerUser = async (admin: Redis, rules: readonly string[]): Promise<void> => {
  await admin.call('ACL', 'SETUSER', USER, 'reset', 'on', `>${PASSWORD}`, ...rules);
};

/** What the user was refused since the last call: "command flushall". */
export const workerRefusals = async (admin: Redis): Promise<string[]> => {
  const entries = (await admin.call('ACL', 'LOG')) as string[][];
  await admin.call('ACL', 'LOG', 'RESET');
  return entries
    .map((flat) => Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]]] : []))))
    .filter(({ username }) => username === USER)
    .map(({ reason, object }) => `${reason} ${object}`);
};
