import type { CombinedError } from '@urql/core';
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { useUncachedClient } from '../live/api-provider.tsx';
import { type LogLineFragment, TaskLogPageDocument } from './task.generated.ts';

/** So many lines a request. */
const PAGE = 200;
/** So many are kept while new ones come; the earlier ones can be loaded again. */
const KEPT = 2_000;

export interface TaskLogLines {
  /** undefined before the first page. */
  lines: readonly LogLineFragment[] | undefined;
  hasEarlier: boolean;
  error: CombinedError | undefined;
  loadEarlier: () => Promise<void>;
  add: (lines: readonly LogLineFragment[]) => void;
}

interface Kept {
  lines: readonly LogLineFragment[];
  hasEarlier: boolean;
}

/** What a task's handlers said: the last lines first, earlier ones page by page, and new ones as `add` brings them. */
export const useTaskLogs = (id: string): TaskLogLines => {
  const client = useUncachedClient();
  const [kept, setKept] = useState<Kept>();
  const [error, setError] = useState<CombinedError>();
  const isLoading = useRef(false);
  const loadEarlier = async (): Promise<void> => {
    if (isLoading.current) return;
    isLoading.current = true;
    // The cursor of a line is its id.
    const variables = { id, last: PAGE, before: kept?.lines[0]?.id ?? null };
    const { data, error: fault } = await client.query(TaskLogPageDocument, variables).toPromise();
    isLoading.current = false;
    setError(fault);
    const page = data?.task?.logs;
    if (!page) return;
    const earlier = page.edges.map(({ node }) => node);
    setKept((now) => ({
      lines: [...earlier, ...(now?.lines ?? [])],
      hasEarlier: page.pageInfo.hasPreviousPage,
    }));
  };
  const begin = useEffectEvent(loadEarlier);
  useEffect(() => void begin(), []);
  const add = (lines: readonly LogLineFragment[]): void =>
    setKept((now) => {
      if (!now) return now;
      const known = new Set(now.lines.map((line) => line.id));
      // While a task ends, its last line can come twice.
      const all = [...now.lines, ...lines.filter((line) => !known.has(line.id) && known.add(line.id))];
      return { lines: all.slice(-KEPT), hasEarlier: now.hasEarlier || all.length > KEPT };
    });
  return { lines: kept?.lines, hasEarlier: kept?.hasEarlier ?? false, error, loadEarlier, add };
};
