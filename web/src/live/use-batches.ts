import { useEffect, useEffectEvent, useRef } from 'react';

/** What comes together is shown together: a thousand a second draw the page ten times. */
const BATCH_MS = 100;

/** Collects what a feed brings, and hands it on a few times a second. @returns what takes one in */
export const useBatches = <T>(onBatch: (batch: readonly T[]) => void): ((one: T) => void) => {
  const batch = useRef<T[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const handOn = useEffectEvent(() => {
    timer.current = undefined;
    onBatch(batch.current.splice(0));
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  return (one) => {
    batch.current.push(one);
    timer.current ??= setTimeout(handOn, BATCH_MS);
  };
};
