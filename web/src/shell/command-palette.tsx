import { type KeyboardEvent, useId, useState } from 'react';
import { classes } from '../ui/classes.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Icon, type IconName } from '../ui/icon.tsx';
import styles from './shell.module.css';

export interface Command {
  name: string;
  icon: IconName;
  run: () => void;
}

interface CommandPaletteProps {
  commands: readonly Command[];
  /** Goes to what has this id, when somebody pastes one. */
  onId?: (id: string) => void;
  onClose: () => void;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Finds pages and actions by their names. */
export const CommandPalette = ({ commands, onId, onClose }: CommandPaletteProps) => {
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const listId = useId();
  const found = search(commands, text.trim(), onId);
  const run = (command: Command | undefined): void => {
    if (!command) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setActive(Math.min(active + 1, found.length - 1));
    else if (event.key === 'ArrowUp') setActive(Math.max(active - 1, 0));
    else if (event.key === 'Enter') run(found[active]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" onClose={onClose}>
      <input
        className={styles.paletteInput}
        role="combobox"
        aria-label="Page or action"
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={found[active] && `${listId}-${active}`}
        autoFocus
        placeholder="Page or action"
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={listId} role="listbox" aria-label="Found" className={styles.paletteList}>
        {found.map((command, index) => (
          <div
            key={command.name}
            id={`${listId}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            className={classes(styles.paletteOption)}
            onClick={() => run(command)}
          >
            <Icon name={command.icon} />
            {command.name}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="muted">Nothing is called so.</p>}
    </Dialog>
  );
};

const search = (commands: readonly Command[], text: string, onId: ((id: string) => void) | undefined): Command[] => {
  if (onId && UUID.test(text)) return [{ name: `Task ${text}`, icon: 'tasks', run: () => onId(text.toLowerCase()) }];
  return commands.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
};
