import fc from 'fast-check';

/** Something that goes wrong, for `ms`, before it is put right again. */
export interface Fault {
  kind: (typeof KINDS)[number];
  /** Which of the processes of its kind. */
  which: 0 | 1;
  ms: number;
  /** From its beginning to that of the next one; shorter than `ms`, they overlap. */
  gapMs: number;
}

/** One deck: every kind comes once before any comes again, in an order that the seed gives. */
const KINDS = [
  'kill an api',
  'kill a manager',
  'kill a worker',
  'pause an api',
  'pause a manager',
  'pause a worker',
  'FLUSHALL',
  'kill Redis',
  'pause Redis',
  "fill the disk of Redis' log",
  'kill PostgreSQL',
  'restart PostgreSQL',
  'cut connections to Redis',
  'cut connections to PostgreSQL',
  'slow connections to Redis',
  'slow connections to PostgreSQL',
  'stall connections to Redis',
  'stall connections to PostgreSQL',
] as const;

const deck = fc.shuffledSubarray([...KINDS], { minLength: KINDS.length }).chain((kinds) =>
  fc.tuple(
    ...kinds.map((kind) =>
      fc.record({
        kind: fc.constant(kind),
        which: fc.constantFrom(0 as const, 1 as const),
        ms: fc.integer({ min: 100, max: 2_500 }),
        gapMs: fc.integer({ min: 200, max: 2_000 }),
      }),
    ),
  ),
);

/** The faults that a seed stands for, without an end. */
export function* faultsOf(seed: number): Generator<Fault> {
  for (let round = 0; ; round++) yield* fc.sample(deck, { seed: seed + round, numRuns: 1 })[0] as Fault[];
}

/** What a fault happens to: two at once would undo each other. */
export const targetOf = ({ kind, which }: Fault): string => {
  if (kind.endsWith('api') || kind.endsWith('manager') || kind.endsWith('worker'))
    return `${kind.split(' ').at(-1)} ${which}`;
  return kind.includes('PostgreSQL') ? 'PostgreSQL' : 'Redis';
};
