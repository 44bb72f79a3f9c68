import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'taskflow.theme';
const ORDER = ['system', 'light', 'dark'] as const;
const systemDark = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

const currentTheme = (): Theme => ORDER.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';

/** Whether it is dark now: what is drawn by hand, as plots are, asks for it. */
export const isDark = (): boolean => {
  const theme = currentTheme();
  return theme === 'dark' || (theme === 'system' && systemDark.matches);
};

export const setTheme = (theme: Theme): void => {
  localStorage.setItem(KEY, theme);
  apply();
};

export const nextTheme = (theme: Theme): Theme => ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'system';

const apply = (): void => {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
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
