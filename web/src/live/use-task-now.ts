import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import type { TaskWhere } from '../schema.generated.ts';
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
 * @returns undefined until it is known
 */
export const useChangesCursor = (): string | undefined => {
  const [{ data }] = useQuery({ query: TaskChangesCursorDocument, requestPolicy: 'network-only' });
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
