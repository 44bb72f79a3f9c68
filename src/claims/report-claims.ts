import { complete, extendLeases, fail, keepLogs, release, reportProgress } from '../broker/calls.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import { checkLeaseMs, checkWorkerId } from './claim-tasks.ts';
import { byShard, type Lease } from './lease.ts';

export interface ReportServices {
  broker: Broker;
  /** Largest result, in bytes of JSON. */
  maxResultBytes: number;
}

export interface CompletedClaim extends Lease {
  result?: unknown;
}

export interface FailedClaim extends Lease {
  error: { message: string; code?: string | null | undefined; stack?: string | null | undefined };
  /** False: trying again is pointless. */
  retry: boolean;
  /** Until the next attempt, in ms; null for the task's backoff. */
  delayMs: number | null;
}

export interface ClaimProgress extends Lease {
  percent: number;
  detail?: unknown;
}

export interface ClaimLogLine extends Lease {
  /** Counts the lines of the attempt, from 1. */
  number: number;
  level: string;
  message: string;
  fields?: unknown;
}

/** Ids of tasks whose lease was lost: for them nothing was written. */
export type Lost = string[];

const MAX_REPORTS = 500;
const MAX_DELAY_MS = 7 * 24 * 60 * 60 * 1000;
/** Of an error's parts, in UTF-16 units. */
const MAX_ERROR_LENGTHS = { message: 4_000, code: 100, stack: 8_000 } as const;
/** Of a log record, as JSON. */
const MAX_RECORD_LENGTH = 8_000;
const MAX_DETAIL_LENGTH = 4_096;
/** Lines that are kept of one attempt. */
const MAX_LINES = 1_000;

/** Ends attempts with a result. @throws TaskFlowError BAD_USER_INPUT; PAYLOAD_TOO_LARGE for a result */
export const completeClaims = (
  { broker, maxResultBytes }: ReportServices,
  workerId: string,
  items: readonly CompletedClaim[],
): Promise<Lost> => {
  checkWorkerId(workerId, 'workerId');
  const toArgs = ({ result }: CompletedClaim, field: string) => ({
    result: resultText(result, maxResultBytes, `${field}.result`),
  });
  return report(broker, items, 'results', toArgs, (shard, args) => complete(shard, { worker: workerId }, args));
};

/** Ends attempts with an error. @throws TaskFlowError BAD_USER_INPUT */
export const failClaims = (broker: Broker, workerId: string, items: readonly FailedClaim[]): Promise<Lost> => {
  checkWorkerId(workerId, 'workerId');
  const toArgs = ({ error, retry, delayMs }: FailedClaim, field: string) => ({
    error: errorText(error),
    retry: retry ? '1' : '0',
    delayMs: delayMs === null ? '' : checkRange(delayMs, 0, MAX_DELAY_MS, `${field}.delayMs`),
  });
  return report(broker, items, 'failures', toArgs, (shard, args) => fail(shard, { worker: workerId }, args));
};

/** Hands tasks back unfinished, without using up an attempt. @throws TaskFlowError BAD_USER_INPUT */
export const releaseClaims = (broker: Broker, workerId: string, items: readonly Lease[]): Promise<Lost> => {
  checkWorkerId(workerId, 'workerId');
  return report(broker, items, 'leases', nothing, (shard, args) => release(shard, { worker: workerId }, args));
};

/** Says how far attempts are. @throws TaskFlowError BAD_USER_INPUT */
export const progressClaims = (broker: Broker, items: readonly ClaimProgress[]): Promise<Lost> => {
  const toArgs = ({ percent, detail }: ClaimProgress, field: string) => ({
    percent: checkRange(percent, 0, 100, `${field}.percent`),
    detail:
      detail === undefined || detail === null
        ? ''
        : `{"detail":${boundedText(detail, MAX_DETAIL_LENGTH, `${field}.detail`)}}`,
  });
  return report(broker, items, 'reports', toArgs, (shard, args) => reportProgress(shard, {}, args));
};

/** Keeps log lines of attempts. @throws TaskFlowError BAD_USER_INPUT */
export const logClaims = (broker: Broker, items: readonly ClaimLogLine[]): Promise<Lost> => {
  const toArgs = ({ number, level, message, fields }: ClaimLogLine, field: string) => ({
    number: checkRange(number, 1, MAX_LINES, `${field}.number`),
    record: boundedText({ level, message, fields: fields ?? undefined }, MAX_RECORD_LENGTH, field),
  });
  return report(broker, items, 'lines', toArgs, (shard, args) => keepLogs(shard, {}, args));
};

export interface ExtendedLeases {
  lost: Lost;
  /** Those that were told to stop. */
  stopping: { id: string; reason: unknown }[];
}

/** Extends leases, counted from now. @throws TaskFlowError BAD_USER_INPUT */
export const extendClaims = async (
  broker: Broker,
  items: readonly Lease[],
  leaseMs: number,
): Promise<ExtendedLeases> => {
  checkLeaseMs(leaseMs, 'leaseMs');
  const stopping: ExtendedLeases['stopping'] = [];
  const lost = await report(broker, items, 'leases', nothing, async (shard, args) => {
    const extended = await extendLeases(shard, { leaseMs }, args);
    stopping.push(...extended.stopping.map(({ id, reason }) => ({ id, reason: JSON.parse(reason) as unknown })));
    return extended.lost;
  });
  return { lost, stopping };
};

const nothing = () => ({});

/**
 * Everything is checked before anything is sent. A shard that fails makes the whole report fail; it is safe to repeat: what
 * got through is then said to be lost.
 */
const report = async <Item extends Lease, Args extends object>(
  broker: Broker,
  items: readonly Item[],
  field: string,
  toArgs: (item: Item, field: string) => Args,
  send: (shard: Shard, args: (Lease & Args)[]) => Promise<Lost>,
): Promise<Lost> => {
  if (items.length > MAX_REPORTS) {
    throw badInput(field, `${field} must have at most ${MAX_REPORTS} entries.`, MAX_REPORTS);
  }
  const args = items.map((item, i) => ({ ...toArgs(item, `${field}.${i}`), id: item.id, token: item.token }));
  const calls = [...byShard(broker, args, field)];
  return (await Promise.all(calls.map(([shard, held]) => send(shard, held)))).flat();
};

const resultText = (result: unknown, limit: number, field: string): string => {
  const text = JSON.stringify(result ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limit) return text;
  const message = `${field} has ${bytes} bytes; at most ${limit} are allowed.`;
  throw new TaskFlowError('PAYLOAD_TOO_LARGE', message, { field, limit });
};

/** Shortened, as workers do it: an error must be taken, whatever its length. */
const errorText = ({ message, code, stack }: FailedClaim['error']): string =>
  JSON.stringify({
    message: message.slice(0, MAX_ERROR_LENGTHS.message),
    code: code?.slice(0, MAX_ERROR_LENGTHS.code),
    stack: stack?.slice(0, MAX_ERROR_LENGTHS.stack),
  });

const boundedText = (value: unknown, limit: number, field: string): string => {
  const text = JSON.stringify(value);
  if (text.length > limit) throw badInput(field, `${field} must have at most ${limit} characters as JSON.`, limit);
  return text;
};

const checkRange = (value: number, min: number, max: number, field: string): number => {
  if (value >= min && value <= max) return value;
  throw badInput(field, `${field} must be ${min} to ${max}.`, max);
};
