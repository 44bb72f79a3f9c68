import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import type { TaskWhere } from '../schema.generated.ts';
import { RETRY_MS, waitAfter } from './resume.ts';
import { TaskChangesCursorDocument, TaskNowDocument, type TaskNowSubscription } from './task-now.generated.ts';
import { useFeed } from './use-feed.ts';

/** A task as of its last transition. */
export type TaskNow = TaskNowSubscription['taskChanges']['task'];

/** So many tasks are remembered, those that changed last. */
const KEPT = 2_000;
const NONE: ReadonlyMap<string, TaskNow> = new Map();

/**
 * From where to follow tasks that are loaded once it is known: nothing is missed in between.
 *
 * @param ownerId whose; others' are for admins. Default: one's own
 * @returns undefined until it is known
 */
export const useChangesCursor = (ownerId?: string): string | undefined => {
  const variables = { ownerId: ownerId ?? null };
  const [{ data, error }, ask] = useQuery({
    query: TaskChangesCursorDocument,
    variables,
    requestPolicy: 'network-only',
  });
  // The page waits for it: an error that passes is tried again, as a subscription would be.
  useEffect(() => {
    const waitMs = error && (error.networkError ? RETRY_MS : waitAfter(error.graphQLErrors));
    if (waitMs === undefined) return;
    const timer = setTimeout(() => ask({ requestPolicy: 'network-only' }), waitMs);
    return () => clearTimeout(timer);
  }, [error, ask]);
  const first = useRef<string>(undefined);
  first.current ??= data?.taskChangesCursor;
  return first.current;
};

/**
 * Follows tasks by one subscription, however many they are.
 *
 * @param where which of them
 * @param after as `useChangesCursor` gives it; it waits for that
 * @returns those that have changed since, by their ids, in the order in which they first did. It changes once a frame, at most
 */
export const useTaskNow = (where: TaskWhere, after: string | undefined): ReadonlyMap<string, TaskNow> => {
  const [tasks, setTasks] = useState(NONE);
  const arrived = useRef<TaskNow[]>([]);
  const frame = useRef(0);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  const takeIn = (): void => {
    const news = arrived.current;
    arrived.current = [];
    frame.current = 0;
    setTasks((before) => {
      const next = [...new Map([...before, ...news.map((task) => [task.id, task] as const)])];
      return new Map(next.slice(-KEPT));
    });
  };
  useFeed(
    TaskNowDocument,
    { after: after ?? null, where },
    {
      isPaused: after === undefined,
      onData: ({ taskChanges: { task } }) => {
        arrived.current.push(task);
        frame.current ||= requestAnimationFrame(takeIn);
      },
    },
  );
  return tasks;
};
