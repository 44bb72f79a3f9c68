import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation } from 'urql';
import { problemOf } from '../live/problem.ts';
import { BulkDialog } from '../operations/bulk-dialog.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions } from '../ui/dialog.tsx';
import { TextField } from '../ui/field.tsx';
import { showProblem, showToast } from '../ui/toast.tsx';
import { CancelTaskDocument, RetryTaskDocument } from './task.generated.ts';
import { hasEnded, type ShownTask } from './use-task.ts';

/** What can be done with a task as it stands now. */
export const TaskActions = ({ task }: { task: ShownTask }) => {
  const [opened, setOpened] = useState<'cancel' | 'retry' | 'delete'>();
  const [isDeleted, setIsDeleted] = useState(false);
  const navigate = useNavigate();
  const close = (): void => {
    setOpened(undefined);
    if (isDeleted) void navigate({ to: '/tasks' });
  };
  const { id, status } = task;
  return (
    <>
      {(status === 'FAILED' || status === 'CANCELLED') && (
        <Button icon="retry" onClick={() => setOpened('retry')}>
          Retry
        </Button>
      )}
      {hasEnded(status) ? (
        <Button kind="danger" onClick={() => setOpened('delete')}>
          Delete
        </Button>
      ) : (
        <Button kind="danger" icon="close" onClick={() => setOpened('cancel')}>
          Cancel
        </Button>
      )}
      {opened === 'retry' && <RetryDialog id={id} onClose={close} />}
      {opened === 'cancel' && <CancelDialog task={task} onClose={close} />}
      {opened === 'delete' && (
        <BulkDialog
          kind="DELETE"
          where={{ ids: [id] }}
          what="this task"
          onClose={close}
          onEnd={() => setIsDeleted(true)}
        />
      )}
    </>
  );
};

const RetryDialog = ({ id, onClose }: { id: string; onClose: () => void }) => {
  const [{ fetching }, retry] = useMutation(RetryTaskDocument);
  const run = async (): Promise<void> => {
    const { error } = await retry({ id });
    if (error) showProblem(problemOf(error));
    else showToast('The task is back in its queue.');
    onClose();
  };
  return (
    <Dialog title="Retry this task" onClose={onClose}>
      <p>It goes back into its queue, and its attempts are counted anew. Its events and log lines stay.</p>
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button kind="primary" isBusy={fetching} onClick={run}>
          Retry the task
        </Button>
      </DialogActions>
    </Dialog>
  );
};

const CancelDialog = ({ task: { id, status }, onClose }: { task: ShownTask; onClose: () => void }) => {
  const [{ fetching }, cancel] = useMutation(CancelTaskDocument);
  const [reason, setReason] = useState('');
  const run = async (): Promise<void> => {
    const { data, error } = await cancel({ id, reason: reason || null });
    if (error) showProblem(problemOf(error));
    else showToast(data?.cancelTask.status === 'CANCELLED' ? 'The task is cancelled.' : 'Its worker is told to stop.');
    onClose();
  };
  return (
    <Dialog title="Cancel this task" onClose={onClose}>
      <p>
        {status === 'PROCESSING'
          ? 'It is running: its worker is told to stop, and it ends once the worker let go.'
          : 'It ends at once.'}{' '}
        Tasks that wait for it may be cancelled with it.
      </p>
      <TextField
        label="Reason"
        hint="For its events. You may leave it empty."
        maxLength={1_000}
        value={reason}
        onChange={({ target }) => setReason(target.value)}
      />
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button kind="danger" isBusy={fetching} onClick={run}>
          Cancel the task
        </Button>
      </DialogActions>
    </Dialog>
  );
};
