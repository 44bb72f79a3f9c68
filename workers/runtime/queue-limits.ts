import type { Slots } from './slots.ts';

/** Queues that are claimed from together, and the slots that their tasks may take. */
export interface QueueGroup {
  queues: string[];
  slots: ReturnType<Slots['limitedTo']>;
}

/** Queues with limits of their own are claimed from one by one, since a call has one limit; the others in one call. */
export const groupQueues = (
  queues: readonly string[],
  limits: Readonly<Record<string, number>>,
  slots: Slots,
): QueueGroup[] => {
  const free = queues.filter((queue) => limits[queue] === undefined);
  const limited = queues.filter((queue) => limits[queue] !== undefined);
  return [
    ...(free.length > 0 ? [{ queues: free, slots }] : []),
    ...limited.map((queue) => ({ queues: [queue], slots: slots.limitedTo(queue, limits[queue] as number) })),
  ];
};
