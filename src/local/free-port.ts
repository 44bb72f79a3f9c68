import { createServer } from 'node:net';
import { TaskFlowError } from '../errors.ts';

const LOOPBACK = '127.0.0.1';

/** A TCP port of 127.0.0.1 that nobody listens on now. Somebody else may take it before it is used: see `onPort`. */
export const freePort = (): Promise<number> => listenOnce(0);

/** Whether a server of ours could listen on this port of 127.0.0.1 now. */
export const isPortFree = async (port: number): Promise<boolean> => {
  try {
    await listenOnce(port);
    return true;
  } catch {
    return false;
  }
};

const listenOnce = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
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
