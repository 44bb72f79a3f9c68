import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { TaskFlowError } from '../errors.ts';

const LOOPBACK = '127.0.0.1';

/**
 * Where free ports are looked for: below those that systems give to outgoing connections (from 32,768 on with Linux), any of
 * which could take a port between its choice and its use, or while its server is down for a moment.
 */
const RANGE = { from: 20_000, to: 32_768 };
const CHOICES = 100;

/**
 * A TCP port of 127.0.0.1 that nobody listens on now. Somebody else may take it before it is used: see `onPort`.
 *
 * @throws Error when none of a hundred is free
 */
export const freePort = async (): Promise<number> => {
  for (let choice = 0; choice < CHOICES; choice++) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`none of ${CHOICES} ports between ${RANGE.from} and ${RANGE.to} is free`);
};

/** Whether a server of ours could listen on this port of 127.0.0.1 now. */
export const isPortFree = async (port: number): Promise<boolean> => {
  try {
    await listenOnce(port);
    return true;
  } catch {
    return false;
  }
};

const listenOnce = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => server.close(() => resolve()));
  });

/** That a server could not listen where it was told to. One line, fit to be shown as it is. */
export class PortInUseError extends TaskFlowError {
  constructor(what: string, port: number) {
    super('CONFLICT', `Port ${port} is in use, ${what} cannot listen there; stop what uses it, or choose another port`);
  }
}

const ATTEMPTS = 5;

/**
 * Starts a server on the port that was asked for, or on a free one; the latter is tried again when somebody else was
 * faster.
 *
 * @throws PortInUseError
 */
export const onPort = async <T>(port: number | undefined, start: (port: number) => Promise<T>): Promise<T> => {
  if (port !== undefined) return start(port);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof PortInUseError) || attempt === ATTEMPTS) throw error;
    }
  }
};
