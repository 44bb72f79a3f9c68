import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { TaskWhere } from '../schema.generated.ts';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions } from '../ui/dialog.tsx';
import { TextField } from '../ui/field.tsx';
import { ErrorState } from '../ui/states.tsx';
import { showToast } from '../ui/toast.tsx';
import styles from './bulk-dialog.module.css';
import type { OperationProgressFragment } from './operations.generated.ts';
import { type BulkKind, hasEnded, type RunningOperation, useOperation } from './use-operation.ts';

interface Words {
  verb: string;
  done: string;
  /** Why some are left as they are. */
  skipped: string;
}

export const BULK_WORDS: Record<BulkKind, Words> = {
  RETRY: { verb: 'Retry', done: 'retried', skipped: 'not failed or cancelled, or in a queue that is draining' },
  CANCEL: { verb: 'Cancel', done: 'cancelled', skipped: 'ended already' },
  DELETE: { verb: 'Delete', done: 'deleted', skipped: 'not ended yet, or awaited by another task' },
};

interface BulkDialogProps {
  kind: BulkKind;
  where: TaskWhere;
  /** "3 selected tasks". */
  what: string;
  onClose: () => void;
  /** It has come to its end. */
  onEnd: () => void;
}

/** Counts first what would be done, asks, then shows how far it is. */
export const BulkDialog = ({ kind, where, what, onClose, onEnd }: BulkDialogProps) => {
  const { verb, done } = BULK_WORDS[kind];
  const trial = useOperation();
  const real = useOperation();
  const [reason, setReason] = useState('');
  const isBegun = useRef(false);
  const begin = useEffectEvent(() => void trial.start({ kind, where, dryRun: true }));
  useEffect(() => {
    // Once: it is a mutation.
    if (!isBegun.current) begin();
    isBegun.current = true;
  }, []);
  const isOver = real.operation !== undefined && hasEnded(real.operation);
  const end = useEffectEvent(onEnd);
  useEffect(() => {
    if (isOver) end();
  }, [isOver]);
  const close = (): void => {
    if (real.operation && !isOver) showToast('It goes on while you do something else.');
    onClose();
  };
  const counted = trial.operation && hasEnded(trial.operation) ? trial.operation : undefined;
  const error = trial.error ?? real.error;
  return (
    <Dialog title={`${verb} ${what}`} onClose={close}>
      {error && <ErrorState error={error} />}
      {!error && !real.operation && <Count kind={kind} operation={trial.operation} />}
      {!error && real.operation && <Progress kind={kind} operation={real.operation} total={counted?.matched ?? 0} />}
      {kind === 'CANCEL' && counted && counted.done > 0 && !real.operation && (
        <TextField
          label="Reason"
          hint="For the events of the tasks. You may leave it empty."
          maxLength={1_000}
          value={reason}
          onChange={({ target }) => setReason(target.value)}
        />
      )}
      <DialogActions>
        <Button onClick={close}>{real.operation || counted?.done === 0 || error ? 'Close' : 'Leave them'}</Button>
        {real.operation && !isOver && (
          <Button icon="pause" onClick={real.stop}>
            Stop here
          </Button>
        )}
        {!real.operation && (
          <Button
            kind={kind === 'RETRY' ? 'primary' : 'danger'}
            disabled={!counted || counted.done === 0 || error !== undefined}
            isBusy={real.isStarting}
            onClick={() => real.start({ kind, where, dryRun: false, ...(reason && { reason }) })}
          >
            {counted ? `${verb} ${inWords(counted.done)}` : `${verb} …`}
          </Button>
        )}
      </DialogActions>
      <span className="visually-hidden" role="status">
        {isOver ? `${real.operation?.done} ${done}` : ''}
      </span>
    </Dialog>
  );
};

const inWords = (count: number): string => `${count.toLocaleString('en')} ${count === 1 ? 'task' : 'tasks'}`;

interface StepProps {
  kind: BulkKind;
  operation: RunningOperation['operation'];
}

const Count = ({ kind, operation }: StepProps) => {
  const { done, skipped } = BULK_WORDS[kind];
  if (!operation || operation.status === 'QUEUED') return <p role="status">Counting … a manager has to take it up.</p>;
  if (operation.status === 'FAILED') return <p role="alert">Counting failed: {operation.error}</p>;
  return (
    <div role="status">
      <p>
        {hasEnded(operation) ? '' : 'So far: '}
        <strong>{inWords(operation.done)}</strong> would be {done}, of {inWords(operation.matched)} that match. Nothing
        has been changed yet.
      </p>
      {operation.skipped > 0 && (
        <p className="muted">
          {inWords(operation.skipped)} would be left as they are: {skipped}.
        </p>
      )}
    </div>
  );
};

const ENDS: Partial<Record<OperationProgressFragment['status'], string>> = {
  COMPLETED: 'Done.',
  CANCELLED: 'Stopped. What was done stays done.',
  FAILED: 'It failed. What was done stays done.',
};

const Progress = ({
  kind,
  operation,
  total,
}: {
  kind: BulkKind;
  operation: OperationProgressFragment;
  total: number;
}) => {
  const { done, skipped } = BULK_WORDS[kind];
  const looked = operation.done + operation.skipped;
  return (
    <>
      <progress
        className={styles.progress}
        aria-label={`Tasks that were looked at, of ${total}`}
        max={Math.max(total, looked, 1)}
        value={hasEnded(operation) && operation.status === 'COMPLETED' ? Math.max(total, looked, 1) : looked}
      />
      <p>
        {ENDS[operation.status] ?? 'Under way.'} <strong>{inWords(operation.done)}</strong> {done}
        {operation.skipped > 0 && `, ${inWords(operation.skipped)} left as they were (${skipped})`}.
      </p>
      {operation.error && <p role="alert">{operation.error}</p>}
    </>
  );
};
