import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'taskflow.theme';
const ORDER = ['system', 'light', 'dark'] as const;
const systemDark = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

const currentTheme = (): Theme => ORDER.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';

/**
 * Whether it is dark now: what is drawn by hand, as plots are, asks for it. It reads what `apply` wrote, never the media query:
 * Chromium forgets to tell of a change when somebody read `matches` between the change and its event.
 */
export const isDark = (): boolean => document.documentElement.dataset.theme === 'dark';

export const setTheme = (theme: Theme): void => {
  localStorage.setItem(KEY, theme);
  apply();
};

export const nextTheme = (theme: Theme): Theme => ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'system';

const apply = (): void => {
  const theme = currentTheme();
  const dark = theme === 'dark' || (theme === 'system' && systemDark.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  for (const listener of listeners) listener();
};

/** Before anything is drawn; from then on it follows the system and other tabs. */
export const startTheme = (): void => {
  apply();
  systemDark.addEventListener('change', apply);
  window.addEventListener('storage', ({ key }) => key === KEY && apply());
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useTheme = (): Theme => useSyncExternalStore(subscribe, currentTheme);
export const useIsDark = (): boolean => useSyncExternalStore(subscribe, isDark);
