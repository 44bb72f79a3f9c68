import { useState } from 'react';
import { BULK_WORDS, BulkDialog } from '../operations/bulk-dialog.tsx';
import type { BulkKind } from '../operations/use-operation.ts';
import type { TaskWhere } from '../schema.generated.ts';
import { useSession } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import styles from './tasks-page.module.css';
import type { Selection } from './use-selection.ts';

/** So many ids a filter takes. */
const MOST_SELECTED = 500;
const KINDS: readonly BulkKind[] = ['RETRY', 'CANCEL', 'DELETE'];

interface BulkBarProps {
  selection: Selection;
  /** Of the list: for all that match, where nothing is selected. */
  where: TaskWhere;
  onReload: () => void;
}

/** What can be done with the selected tasks; with all that match, while none is selected. */
export const BulkBar = ({ selection, where, onReload }: BulkBarProps) => {
  const [opened, setOpened] = useState<BulkKind>();
  const [isDirty, setIsDirty] = useState(false);
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const { size } = selection.selected;
  const isSelected = size > 0;
  const everything =
    Object.keys(where).length === 0 ? `all ${isAdmin ? "of everybody's " : ''}tasks` : 'all that match';
  const what = isSelected ? `${size} selected ${size === 1 ? 'task' : 'tasks'}` : everything;
  const close = (): void => {
    setOpened(undefined);
    if (!isDirty) return;
    // No change tells that a task was deleted.
    setIsDirty(false);
    onReload();
  };
  return (
    <div className={styles.bulk} role="group" aria-label={isSelected ? 'Selected tasks' : 'All that match'}>
      <span className="muted" role="status">
        {size > MOST_SELECTED ? `${what}: at most ${MOST_SELECTED} at once. A filter takes more.` : `With ${what}`}
      </span>
      {KINDS.map((kind) => (
        <Button key={kind} isSmall disabled={size > MOST_SELECTED} onClick={() => setOpened(kind)}>
          {BULK_WORDS[kind].verb} …
        </Button>
      ))}
      {isSelected && (
        <Button isSmall kind="quiet" icon="close" onClick={selection.clear}>
          Select none
        </Button>
      )}
      {opened && (
        <BulkDialog
          kind={opened}
          where={isSelected ? { ids: [...selection.selected] } : where}
          what={what}
          onClose={close}
          onEnd={() => setIsDirty(opened === 'DELETE')}
        />
      )}
    </div>
  );
};
