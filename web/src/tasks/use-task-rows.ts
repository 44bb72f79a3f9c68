import type { CombinedError } from '@urql/core';
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { useUncachedClient } from '../live/api-provider.tsx';
import { useBatches } from '../live/use-batches.ts';
import { useFeed } from '../live/use-feed.ts';
import type { TaskWhere } from '../schema.generated.ts';
import { watchedOf } from './task-filter.ts';
import { PAGE, type TaskItem, TaskRows } from './task-rows.ts';
import { TaskRowChangesDocument, type TaskRowChangesSubscription, TasksPageDocument } from './tasks.generated.ts';

type Change = TaskRowChangesSubscription['taskChanges'];

export interface TaskList {
  /** undefined before the first page. */
  items: readonly TaskItem[] | undefined;
  /** New tasks that are not shown yet. */
  heldCount: number;
  /** Tasks have changed that may match now: a payload can only be searched for by asking again. */
  mayHaveMore: boolean;
  hasNextPage: boolean;
  /** The last page that was asked for did not come. */
  error: CombinedError | undefined;
  loadMore: () => void;
  /** Loads what is in a row that was dropped, and in those around it. */
  want: (id: string) => void;
  release: () => void;
}

interface Place {
  /** From where to follow; null for an admin's list of everybody's tasks. */
  changesCursor: string | null;
  endCursor: string | null;
  hasNextPage: boolean;
}

/**
 * The tasks that match, newest first, loaded page by page as they are looked at, and live.
 *
 * @param where must stay the same; give the component that uses it a `key` of the filter
 * @param isFree whether rows may move now: new tasks are shown at once then
 */
export const useTaskRows = (where: TaskWhere, isFree: () => boolean): TaskList => {
  const [rows] = useState(() => new TaskRows(where.status ?? []));
  const [place, setPlace] = useState<Place>();
  const [error, setError] = useState<CombinedError>();
  const [mayHaveMore, setMayHaveMore] = useState(false);
  const [, setShown] = useState<readonly TaskItem[]>();
  const show = (): void => setShown(rows.items);
  const client = useUncachedClient();
  const isLoading = useRef(false);

  const loadMore = async (): Promise<void> => {
    if (isLoading.current || place?.hasNextPage === false) return;
    isLoading.current = true;
    rows.ask();
    const variables = { where, first: PAGE, after: place?.endCursor ?? null };
    const { data, error: fault } = await client.query(TasksPageDocument, variables).toPromise();
    isLoading.current = false;
    setError(fault);
    if (!data) return rows.giveUp();
    const { changesCursor, edges, pageInfo } = data.tasks;
    rows.putPage(edges.map(({ node }) => node));
    setPlace({
      changesCursor: place?.changesCursor ?? changesCursor ?? null,
      endCursor: pageInfo.endCursor ?? null,
      hasNextPage: pageInfo.hasNextPage,
    });
    show();
  };
  const begin = useEffectEvent(loadMore);
  useEffect(() => void begin(), []);

  const want = useWanted(rows, show);
  const takeIn = useBatches<Change>((changes) => {
    const hasPayload = (where.payload?.length ?? 0) > 0;
    const known = hasPayload ? changes.filter(({ task }) => rows.has(task.id)) : changes;
    rows.change(known.map(({ event, task }) => ({ status: event.status, task })));
    if (known.length < changes.length) setMayHaveMore(true);
    if (isFree()) rows.release();
    show();
  });
  useFeed(
    TaskRowChangesDocument,
    { where: watchedOf(where), after: place?.changesCursor ?? null },
    { isPaused: place === undefined, onData: ({ taskChanges }) => takeIn(taskChanges), onError: setError },
  );

  return {
    items: place && rows.items,
    heldCount: rows.heldCount,
    mayHaveMore,
    hasNextPage: place?.hasNextPage ?? true,
    error,
    loadMore: () => void loadMore(),
    want,
    release: () => {
      rows.release();
      show();
    },
  };
};

/** Loads dropped rows again: those that come into sight together with one request. */
const useWanted = (rows: TaskRows, show: () => void): ((id: string) => void) => {
  const client = useUncachedClient();
  const asked = useRef(new Set<string>());
  const load = async (ids: string[]): Promise<void> => {
    rows.ask();
    const variables = { where: { ids }, first: ids.length, after: null };
    const { data } = await client.query(TasksPageDocument, variables).toPromise();
    for (const id of ids) asked.current.delete(id);
    if (data)
      rows.putAgain(
        ids,
        data.tasks.edges.map(({ node }) => node),
      );
    else rows.giveUp();
    show();
  };
  return (id) => {
    if (asked.current.has(id)) return;
    const ids = rows.missingAround(id).filter((each) => !asked.current.has(each));
    for (const each of ids) asked.current.add(each);
    if (ids.length > 0) void load(ids);
  };
};
