import { type Claim, claim } from '../broker/calls.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import { badInput } from '../errors.ts';
import { QUEUE_NAME } from '../queues/queue-name.ts';
import { TASK_TYPE } from '../tasks/new-task.ts';
import { leaseToken } from './lease.ts';

/** What a worker without Redis asks for. */
export interface ClaimRequest {
  workerId: string;
  /** "*" for all. */
  queues: readonly string[];
  types: readonly string[];
  /** Tasks, at most. */
  limit: number;
  /** How long the worker may be silent before its tasks are given to another, in ms. */
  leaseMs: number;
}

export const MAX_CLAIMED = 100;
export const LEASE_MS = { initial: 30_000, min: 1_000, max: 3_600_000 } as const;
/** Names in one list. */
const MAX_NAMES = 100;
const WORKER_ID = /^[\x21-\x7e]{1,128}$/;
/** Every so many claims the low lane, and in it the low priority, goes first, so that nothing starves. */
const LOW_FIRST_EVERY = 8;

/** @throws TaskFlowError BAD_USER_INPUT */
export const checkWorkerId = (workerId: string, field: string): string => {
  if (WORKER_ID.test(workerId)) return workerId;
  throw badInput(field, `${field} must be 1 to 128 visible ASCII characters.`);
};

/** @throws TaskFlowError BAD_USER_INPUT that names the field */
export const checkServed = (
  { queues, types }: Pick<ClaimRequest, 'queues' | 'types'>,
  field: string,
): Pick<ClaimRequest, 'queues' | 'types'> => {
  checkNames(`${field}.queues`, queues, (name) => name === '*' || QUEUE_NAME.test(name));
  checkNames(`${field}.types`, types, (name) => TASK_TYPE.test(name));
  return { queues, types };
};

const checkNames = (field: string, names: readonly string[], isValid: (name: string) => boolean): void => {
  if (names.length === 0) throw badInput(field, `${field} must not be empty.`);
  if (names.length > MAX_NAMES) throw badInput(field, `${field} must have at most ${MAX_NAMES} names.`, MAX_NAMES);
  names.forEach((name, i) => {
    if (!isValid(name)) throw badInput(`${field}.${i}`, `${field}.${i} has a form that no such name has.`);
  });
};

/** @throws TaskFlowError BAD_USER_INPUT */
export const checkLeaseMs = (leaseMs: number, field: string): number => {
  if (leaseMs >= LEASE_MS.min && leaseMs <= LEASE_MS.max) return leaseMs;
  throw badInput(field, `${field} must be ${LEASE_MS.min} to ${LEASE_MS.max}.`, LEASE_MS.max);
};

/**
 * Gives waiting tasks to a worker, with a lease: those of the high lane first, but now and then those of the low one, so that
 * nothing starves.
 *
 * @returns fewer than asked for, or none, when no more wait; at most about 4 MiB of payloads a shard
 * @throws TaskFlowError BAD_USER_INPUT; what ioredis throws when no shard could be asked
 */
export const claimTasks = async (broker: Broker, request: ClaimRequest): Promise<Claim[]> => {
  checkWorkerId(request.workerId, 'input.workerId');
  checkServed(request, 'input');
  checkLeaseMs(request.leaseMs, 'input.leaseMs');
  if (request.limit < 1 || request.limit > MAX_CLAIMED) {
    throw badInput('input.limit', `input.limit must be 1 to ${MAX_CLAIMED}.`, MAX_CLAIMED);
  }
  const isLowFirst = Math.random() < 1 / LOW_FIRST_EVERY;
  const claims: Claim[] = [];
  let failure: { error: unknown } | undefined;
  for (const shard of inTurn(broker, isLowFirst)) {
    const limit = request.limit - claims.length;
    if (limit === 0) break;
    try {
      claims.push(...(await claimFrom(shard, { ...request, limit }, isLowFirst)));
    } catch (error) {
      // What the other shards gave must not be lost with this one.
      failure = { error };
    }
  }
  if (claims.length === 0 && failure) throw failure.error;
  return claims;
};

/** All shards, lane by lane; those of a lane begin at a random one. */
const inTurn = (broker: Broker, isLowFirst: boolean): Shard[] => {
  const lanes = isLowFirst ? broker.lanes.toReversed() : broker.lanes;
  return lanes.flatMap(({ shards }) => {
    const start = Math.floor(Math.random() * shards.length);
    return [...shards.slice(start), ...shards.slice(0, start)];
  });
};

const claimFrom = async (shard: Shard, request: ClaimRequest, isLowFirst: boolean): Promise<Claim[]> => {
  const claims = await claim(shard, {
    worker: request.workerId,
    limit: request.limit,
    leaseMs: request.leaseMs,
    lowFirst: isLowFirst ? '1' : '0',
    queues: request.queues.join(','),
    types: request.types.join(','),
  });
  return claims.map((claimed) => ({ ...claimed, token: leaseToken(shard, claimed.token) }));
};
