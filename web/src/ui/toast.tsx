import { useSyncExternalStore } from 'react';
import type { Problem } from '../live/problem.ts';
import { IconButton } from './button.tsx';
import { classes } from './classes.ts';
import styles from './toast.module.css';

interface Toast {
  id: number;
  text: string;
  isError: boolean;
}

/** Errors stay until they are closed: whoever reads slowly misses none. */
const SHOWN_MS = 6_000;

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

const change = (next: readonly Toast[]): void => {
  toasts = next;
  for (const listener of listeners) listener();
};

const close = (id: number): void => change(toasts.filter((toast) => toast.id !== id));

const show = (text: string, isError: boolean): void => {
  lastId += 1;
  const id = lastId;
  change([...toasts, { id, text, isError }]);
  if (!isError) setTimeout(() => close(id), SHOWN_MS);
};

/** Says that something was done, for a few seconds. */
export const showToast = (text: string): void => show(text, false);

/** Says what went wrong, and what to do about it. */
export const showProblem = ({ message, help }: Problem): void =>
  show(help === undefined ? message : `${message} ${help}`, true);

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Where toasts appear; once in the page. */
export const Toasts = () => {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className={styles.region} role="status">
      {shown.map(({ id, text, isError }) => (
        <div key={id} className={classes(styles.toast, isError && styles.error)}>
          <span className={styles.text}>{text}</span>
          <IconButton icon="close" label="Dismiss" kind="quiet" isSmall onClick={() => close(id)} />
        </div>
      ))}
    </div>
  );
};
