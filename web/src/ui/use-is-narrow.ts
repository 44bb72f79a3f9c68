import { useSyncExternalStore } from 'react';

/** As in the styles: a phone, or a window as narrow. */
const narrow = window.matchMedia('(max-width: 720px)');

const subscribe = (listener: () => void): (() => void) => {
  narrow.addEventListener('change', listener);
  return () => narrow.removeEventListener('change', listener);
};

export const useIsNarrow = (): boolean => useSyncExternalStore(subscribe, () => narrow.matches);
