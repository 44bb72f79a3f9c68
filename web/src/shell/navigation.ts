import type { LinkProps } from '@tanstack/react-router';
import type { IconName } from '../ui/icon.tsx';

export interface NavigationEntry {
  name: string;
  to: NonNullable<LinkProps['to']>;
  icon: IconName;
  /** After `g`: "g o" goes to the overview. */
  key: string;
  /** Shown to admins only. Default: false. */
  isForAdmins?: boolean;
}

/** The pages in the order of the sidebar; the command palette and the shortcuts have them, too. */
export const NAVIGATION: readonly NavigationEntry[] = [
  { name: 'Overview', to: '/', icon: 'overview', key: 'o' },
  { name: 'Tasks', to: '/tasks', icon: 'tasks', key: 't' },
  { name: 'Submit', to: '/submit', icon: 'submit', key: 's' },
  { name: 'Workers', to: '/workers', icon: 'workers', key: 'w' },
  { name: 'Flows', to: '/flows', icon: 'flows', key: 'f' },
  { name: 'Schedules', to: '/schedules', icon: 'schedules', key: 'c' },
  { name: 'API keys', to: '/keys', icon: 'keys', key: 'k' },
  { name: 'Account', to: '/account', icon: 'account', key: 'a' },
  { name: 'Admin', to: '/admin', icon: 'admin', key: 'd', isForAdmins: true },
];
