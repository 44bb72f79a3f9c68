import type { CombinedError } from '@urql/core';
import { useState } from 'react';
import { useClient } from 'urql';
import { useFeed } from '../live/use-feed.ts';
import { StatisticsUpdatedDocument, type StatisticsUpdatedSubscription } from './overview.generated.ts';

export type Statistics = StatisticsUpdatedSubscription['statisticsUpdated'];

/** How far back plots reach, in seconds. */
export const SPAN_SECONDS = 300;
/** Statistics come each second; a longer silence is shown as one. */
const SILENCE_SECONDS = 3;

/** One line of a plot, and what it shows of one second; null for nothing. */
const LINES = {
  submitted: ({ windowMs, rates }: Statistics) => (windowMs === 0 ? null : rates.submitted),
  completed: ({ windowMs, rates }: Statistics) => (windowMs === 0 ? null : rates.completed),
  failed: ({ windowMs, rates }: Statistics) => (windowMs === 0 ? null : rates.failed),
  queued: ({ tasks }: Statistics) => tasks.queued,
  processing: ({ tasks }: Statistics) => tasks.processing,
  scheduled: ({ tasks }: Statistics) => tasks.scheduled,
  completionP50: ({ completion }: Statistics) => completion?.p50Ms ?? null,
  completionP99: ({ completion }: Statistics) => completion?.p99Ms ?? null,
  waitP50: ({ queueWait }: Statistics) => queueWait?.p50Ms ?? null,
  waitP99: ({ queueWait }: Statistics) => queueWait?.p99Ms ?? null,
} as const;

export type Line = keyof typeof LINES;

const NAMES = Object.keys(LINES) as Line[];

/** What came over the last minutes, in columns, as plots take it. */
export interface History {
  /** In seconds since 1970. */
  times: readonly number[];
  values: Readonly<Record<Line, readonly (number | null)[]>>;
  latest: Statistics | undefined;
}

const NOTHING: History = {
  times: [],
  values: Object.fromEntries(NAMES.map((name) => [name, []])) as unknown as History['values'],
  latest: undefined,
};

/** Adds what came, lets go of what is too old, and leaves a gap where nothing came for a while. */
export const append = (history: History, statistics: Statistics): History => {
  const time = Date.parse(statistics.at) / 1_000;
  const last = history.times.at(-1);
  // After a cut the first message may tell of the same moment again.
  if (last !== undefined && time <= last) return { ...history, latest: statistics };
  const isSilence = last !== undefined && time - last > SILENCE_SECONDS;
  const firstKept = history.times.findIndex((each) => each >= time - SPAN_SECONDS - SILENCE_SECONDS);
  const from = firstKept === -1 ? history.times.length : firstKept;
  const gap = isSilence ? [null] : [];
  return {
    times: [...history.times.slice(from), ...(isSilence ? [last + 1] : []), time],
    values: Object.fromEntries(
      NAMES.map((name) => [name, [...history.values[name].slice(from), ...gap, LINES[name](statistics)]]),
    ) as unknown as History['values'],
    latest: statistics,
  };
};

/** The histories of a login: they stay while its other pages are looked at, and go with it. */
const kept = new WeakMap<object, Map<boolean, History>>();

/** Follows the statistics of one's own tasks, or of everybody's. */
export const useHistory = (everybody: boolean) => {
  const client = useClient();
  const [, redraw] = useState(0);
  const [error, setError] = useState<CombinedError>();
  const histories = kept.get(client) ?? new Map<boolean, History>();
  kept.set(client, histories);
  useFeed(
    StatisticsUpdatedDocument,
    { everybody },
    {
      onData: ({ statisticsUpdated }) => {
        histories.set(everybody, append(histories.get(everybody) ?? NOTHING, statisticsUpdated));
        redraw((n) => n + 1);
      },
      onError: setError,
    },
  );
  return { history: histories.get(everybody) ?? NOTHING, error };
};
