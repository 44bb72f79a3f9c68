import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { usageError } from './exit-codes.ts';

/** A line of a file of tasks. */
export interface TaskLine {
  /** Counted from 1. */
  number: number;
  /** An input of createTasks. */
  input: Record<string, unknown>;
  /** As JSON. */
  bytes: number;
}

export interface FileSummary {
  /** SHA-256, in hex. */
  hash: string;
  /** Lines that are not empty. */
  lines: number;
}

const NEWLINE = 0x0a;

/** Reads a file once, to know it again. @throws CommandError USAGE when it cannot be read */
export const summarise = async (file: string, signal: AbortSignal): Promise<FileSummary> => {
  const hash = createHash('sha256');
  let lines = 0;
  for await (const line of rawLines(file, signal, (chunk) => hash.update(chunk))) if (line.trim() !== '') lines += 1;
  return { hash: hash.digest('hex'), lines };
};

/**
 * The tasks of a file, one a line; empty lines are passed over.
 *
 * @param keyOf the idempotency key of a line that has none of its own
 * @param from lines up to this number are passed over
 * @throws CommandError USAGE for a line that is no JSON object
 */
export async function* readTaskLines(
  file: string,
  defaults: Readonly<Record<string, unknown>>,
  keyOf: (line: number) => string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<TaskLine> {
  let number = 0;
  for await (const line of rawLines(file, signal)) {
    number += 1;
    if (number <= from || line.trim() === '') continue;
    const input = { ...defaults, idempotencyKey: keyOf(number), ...parseLine(file, line, number) };
    yield { number, input, bytes: Buffer.byteLength(JSON.stringify(input)) };
  }
}

const parseLine = (file: string, line: string, number: number): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, as for any other value.
  }
  throw usageError(
    `Line ${number} of ${file} is no JSON object.`,
    'Each line is a task: {"type":"echo","payload":{"n":1}}. Lines before it may have been submitted.',
  );
};

async function* rawLines(
  file: string,
  signal: AbortSignal,
  onChunk: (chunk: Buffer) => void = () => {},
): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file, { signal, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      onChunk(chunk);
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString();
        rest = [];
        start = end + 1;
      }
      rest.push(chunk.subarray(start));
    }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === 'open' || syscall === 'read') throw usageError(`${file} cannot be read: ${code}`);
    throw error;
  }
  const last = Buffer.concat(rest).toString();
  if (last !== '') yield last;
}
