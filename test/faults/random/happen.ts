import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../../support/setup.ts';
import type { Fault } from './faults.ts';
import type { Stand } from './stand.ts';

/** How much later slow connections pass things on, in ms. */
const SLOW_MS = 150;

/**
 * Makes a fault happen, and puts it right again after its time. Processes that were killed are started again by whoever
 * supervises them.
 */
export const happen = async (stand: Stand, fault: Fault): Promise<void> => {
  const { kind, which, ms } = fault;
  const [verb, , name] = kind.split(' ');
  const target = stand.processes[name as keyof Stand['processes']]?.[which];
  if (target && verb === 'kill') return target.kill();
  if (target) {
    target.pause();
    await delay(ms);
    return target.resume();
  }
  if (verb === 'cut' || verb === 'slow' || verb === 'stall') return disturb(stand, fault);
  return breakServer(stand, fault);
};

const disturb = async ({ toRedis, toPostgres }: Stand, { kind, ms }: Fault): Promise<void> => {
  const proxy = kind.endsWith('Redis') ? toRedis : toPostgres;
  if (kind.startsWith('cut')) return proxy.cut();
  if (kind.startsWith('slow')) proxy.slow(SLOW_MS);
  else proxy.stall();
  await delay(ms);
  proxy.slow(0);
  proxy.resume();
};

const breakServer = async ({ app, redis, postgres, disk }: Stand, { kind, ms }: Fault): Promise<void> => {
  switch (kind) {
    case 'FLUSHALL':
      // A Redis whose disk was full a moment ago refuses even that.
      await waitFor(() => app.broker.low.redis.flushall());
      return;
    case 'pause Redis':
      redis.pause();
      await delay(ms);
      return redis.resume();
    case 'kill Redis':
      await redis.kill();
      await delay(ms);
      return redis.start();
    case 'kill PostgreSQL':
      await postgres.kill();
      await delay(ms);
      return postgres.start();
    case 'restart PostgreSQL':
      await postgres.stop();
      return postgres.start();
    case "fill the disk of Redis' log":
      if (!disk) return;
      disk.fill();
      await delay(ms);
      return disk.free();
    default:
      throw new Error(`nobody knows how to make this happen: ${kind}`);
  }
};
