import { Dialog } from '../ui/dialog.tsx';
import { NAVIGATION } from './navigation.ts';
import styles from './shell.module.css';
import { setSingleKeys, useSingleKeys } from './shortcuts.ts';

const OTHERS = [
  ['Ctrl K', 'Go to a page, or do something'],
  ['?', 'This help'],
  ['↑ ↓ j k', 'In a table: from row to row'],
  ['Enter', 'In a table: open the row'],
  ['Space x', 'In a table: select the row'],
  ['Shift ↑ ↓', 'In a table: select all rows on the way'],
  ['/', 'In the list of tasks: filter'],
] as const;

export const ShortcutsDialog = ({ onClose }: { onClose: () => void }) => {
  const isOn = useSingleKeys();
  const pages = NAVIGATION.map(({ key, name }) => [`g ${key}`, `Go to ${name}`] as const);
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className={styles.shortcuts}>
        {[...pages, ...OTHERS].map(([keys, what]) => (
          <div key={keys}>
            <dt>{what}</dt>
            <dd>
              <kbd>{keys}</kbd>
            </dd>
          </div>
        ))}
      </dl>
      <label>
        <input type="checkbox" checked={isOn} onChange={({ target }) => setSingleKeys(target.checked)} /> Shortcuts of
        single keys (all but Ctrl K)
      </label>
    </Dialog>
  );
};
