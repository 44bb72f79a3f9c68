import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { logOut } from '../session/log-out.ts';
import { useSession } from '../session/session.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { classes } from '../ui/classes.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { Toasts } from '../ui/toast.tsx';
import { type Command, CommandPalette } from './command-palette.tsx';
import { ConnectionBanner, ConnectionIndicator } from './connection-indicator.tsx';
import { NAVIGATION, type NavigationEntry } from './navigation.ts';
import styles from './shell.module.css';
import { useShortcuts } from './shortcuts.ts';
import { ShortcutsDialog } from './shortcuts-dialog.tsx';
import { nextTheme, setTheme, type Theme, useTheme } from './theme.ts';

const THEMES: Record<Theme, { name: string; icon: IconName }> = {
  system: { name: 'as the system', icon: 'system' },
  light: { name: 'light', icon: 'sun' },
  dark: { name: 'dark', icon: 'moon' },
};

/** What stands around every page of somebody who is logged in. */
export const Shell = () => {
  const [opened, setOpened] = useState<'menu' | 'palette' | 'shortcuts' | undefined>();
  const close = (): void => setOpened(undefined);
  const entries = useNavigation();
  const commands = useCommands(entries, () => setOpened('shortcuts'));
  const navigate = useNavigate();
  const openTask = (id: string): void => void navigate({ to: '/tasks/$id', params: { id } });
  useShortcuts({
    'mod+k': () => setOpened('palette'),
    '?': () => setOpened('shortcuts'),
    ...Object.fromEntries(entries.map(({ key, to }) => [`g ${key}`, () => void navigate({ to })])),
  });
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to the page
      </a>
      <header className={styles.topBar}>
        <IconButton
          icon="menu"
          label="Menu"
          kind="quiet"
          aria-expanded={opened === 'menu'}
          aria-controls="sidebar"
          onClick={() => setOpened(opened === 'menu' ? undefined : 'menu')}
        />
        <Brand />
      </header>
      <aside id="sidebar" aria-label="Sidebar" className={classes(styles.sidebar, opened === 'menu' && styles.isOpen)}>
        <Brand />
        <Button className={styles.search} icon="search" kind="quiet" onClick={() => setOpened('palette')}>
          Go to <kbd>Ctrl K</kbd>
        </Button>
        <Navigation entries={entries} onChoose={close} />
        <Foot />
      </aside>
      <main id="main" className={styles.main} tabIndex={-1}>
        <ConnectionBanner />
        <Outlet />
      </main>
      <Toasts />
      {opened === 'palette' && <CommandPalette commands={commands} onId={openTask} onClose={close} />}
      {opened === 'shortcuts' && <ShortcutsDialog onClose={close} />}
    </div>
  );
};

const useNavigation = (): readonly NavigationEntry[] => {
  const isAdmin = useSession()?.user.isAdmin ?? false;
  return NAVIGATION.filter(({ isForAdmins = false }) => isAdmin || !isForAdmins);
};

const useCommands = (entries: readonly NavigationEntry[], showShortcuts: () => void): Command[] => {
  const navigate = useNavigate();
  const theme = useTheme();
  const next = nextTheme(theme);
  return [
    ...entries.map(({ name, icon, to }) => ({ name, icon, run: () => void navigate({ to }) })),
    { name: `Look: ${THEMES[next].name}`, icon: THEMES[next].icon, run: () => setTheme(next) },
    { name: 'Keyboard shortcuts', icon: 'menu', run: showShortcuts },
    { name: 'Log out', icon: 'logout', run: logOut },
  ];
};

const Brand = () => (
  <Link to="/" className={styles.brand}>
    <img src="/favicon.svg" alt="" width="22" height="22" />
    TaskFlow
  </Link>
);

const Navigation = ({ entries, onChoose }: { entries: readonly NavigationEntry[]; onChoose: () => void }) => (
  <nav aria-label="Pages" className={styles.navigation}>
    {entries.map(({ name, to, icon }) => (
      <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }} onClick={onChoose}>
        <Icon name={icon} />
        {name}
      </Link>
    ))}
    <a href="/graphql" target="_blank" rel="noopener">
      <Icon name="external" />
      GraphiQL
    </a>
  </nav>
);

const Foot = () => {
  const user = useSession()?.user;
  const theme = useTheme();
  return (
    <div className={styles.foot}>
      <ConnectionIndicator />
      <div className={styles.user}>
        <span title={user?.email}>{user?.username}</span>
        <IconButton
          icon={THEMES[theme].icon}
          label={`Look: ${THEMES[theme].name}. Change`}
          kind="quiet"
          isSmall
          onClick={() => setTheme(nextTheme(theme))}
        />
        <IconButton icon="logout" label="Log out" kind="quiet" isSmall onClick={logOut} />
      </div>
    </div>
  );
};
