import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { type Change, decodeChange, encodeChange, ownerOfLine } from '../../src/realtime/change.ts';
import { changeOf } from '../support/changes.ts';

/** Repeatable: the same numbers in each run. */
const randomFrom = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
};

const ODD = ['\t', '\n', '\r', '\0', '\\', '"', '\u2028', '\u0085', 'é', '日', '🦀', '{', ',', '\\u0000', ' ', 'x'];

describe('a change on its way to subscribers', () => {
  test('arrives as it was sent, whatever texts it holds', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = randomFrom(seed);
      const text = () => Array.from({ length: random(8) }, () => ODD[random(ODD.length)]).join('');
      const maybe = <T>(value: T): T | undefined => (random(2) === 0 ? value : undefined);
      const change: Change = changeOf(uuidv7(), random(1e9), {
        seq: random(1e6),
        status: ['QUEUED', 'SCHEDULED', 'COMPLETED'][random(3)] as string,
        attempt: random(100),
        workerId: `worker-${random(9)}`,
        runAtMs: maybe(random(1e9) + 1.5e12),
        data: maybe(JSON.stringify({ [text()]: [text(), null, 1.5] })) ?? '',
        origin: maybe({
          priority: 'HIGH',
          maxAttempts: random(100),
          timeoutMs: maybe(random(1e6)) ?? null,
          tags: Array.from({ length: random(4) }, text),
          runAt: maybe('2031-05-06T07:08:09.010Z') ?? null,
          backoff: maybe('F:1:2:0.5') ?? null,
        }),
      });
      const line = encodeChange(change);
      expect(line).not.toContain('\n');
      expect(ownerOfLine(line)).toBe(change.ownerId);
      expect(decodeChange(line)).toEqual(change);
    }
  });
});
