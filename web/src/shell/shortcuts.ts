import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';

/** Single keys can get in the way of those who speak to their computer: they can be turned off (WCAG 2.1.4). */
const KEY = 'taskflow.single-keys';
const listeners = new Set<() => void>();

const areSingleKeysOn = (): boolean => localStorage.getItem(KEY) !== 'off';

export const setSingleKeys = (isOn: boolean): void => {
  localStorage.setItem(KEY, isOn ? 'on' : 'off');
  for (const listener of listeners) listener();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useSingleKeys = (): boolean => useSyncExternalStore(subscribe, areSingleKeysOn);

/** How long after `g` the next key counts, in ms. */
const SEQUENCE_MS = 1_500;

/**
 * Calls back for keys that are pressed outside of text fields and dialogs: "?", "g o" (one after the other), and "mod+k",
 * which is Ctrl or ⌘ and works everywhere.
 */
export const useShortcuts = (shortcuts: Readonly<Record<string, () => void>>): void => {
  const press = useEffectEvent((name: string): boolean => {
    const action = shortcuts[name];
    action?.();
    return action !== undefined;
  });
  useEffect(() => {
    let before = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onKeyDown = (event: KeyboardEvent): void => {
      const { key, ctrlKey, metaKey, altKey } = event;
      if (ctrlKey || metaKey) {
        if (press(`mod+${key.toLowerCase()}`)) event.preventDefault();
        return;
      }
      if (altKey || !areSingleKeysOn() || isTyping(event.target)) return;
      clearTimeout(timer);
      if (press(before === '' ? key : `${before} ${key}`)) event.preventDefault();
      before = before === '' && key === 'g' ? key : '';
      timer = setTimeout(() => {
        before = '';
      }, SEQUENCE_MS);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('keydown', onKeyDown);
    };
  }, []);
};

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('input, textarea, select, [contenteditable], dialog') !== null;
