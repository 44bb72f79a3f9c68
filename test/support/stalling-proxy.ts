import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server. Stalled, it accepts connections and passes nothing on, as a server that hangs. */
export interface StallingProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open, counted on both sides. */
  readonly connections: number;
  stall(): void;
  resume(): void;
  /** Passes nothing on over the connections that there are; new ones work. */
  freeze(): void;
  /** Passes everything on so many ms later. 0: at once again. */
  slow(delayMs: number): void;
  /** Breaks every connection; new ones are taken. */
  cut(): void;
}

export const startStallingProxy = async (targetPort: number): Promise<StallingProxy> => {
  const sockets = new Set<Socket>();
  let isStalled = false;
  let delayMs = 0;
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    if (isStalled) socket.pause();
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  };
  // Both are piped by hand: pipe() would resume what is paused.
  const forward = (from: Socket, to: Socket): void => {
    let dueAt = 0;
    from.on('data', (data) => {
      const now = performance.now();
      // What comes later must not overtake what is still under way.
      dueAt = Math.max(now + delayMs, dueAt);
      if (dueAt <= now) to.write(data);
      else setTimeout(() => to.write(data), dueAt - now);
    });
    if (isStalled) from.pause();
    from.on('close', () => to.destroy());
  };
  const server = createServer((client) => {
    const target = track(connect(targetPort, '127.0.0.1'));
    track(client);
    forward(client, target);
    forward(target, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size;
    },
    stall: () => {
      isStalled = true;
      for (const socket of sockets) socket.pause();
    },
    resume: () => {
      isStalled = false;
      for (const socket of sockets) socket.resume();
    },
    freeze: () => {
      for (const socket of sockets) socket.pause();
    },
    slow: (ms) => {
      delayMs = ms;
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
