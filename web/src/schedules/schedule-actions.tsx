import { useState } from 'react';
import { useMutation } from 'urql';
import { problemOf } from '../live/problem.ts';
import { ActionDialog } from '../ui/action-form.tsx';
import { Button } from '../ui/button.tsx';
import { showProblem, showToast } from '../ui/toast.tsx';
import {
  DeleteScheduleDocument,
  PauseScheduleDocument,
  ResumeScheduleDocument,
  RunScheduleNowDocument,
  type SchedulePartsFragment,
} from './schedules.generated.ts';

interface ScheduleActionsProps {
  schedule: SchedulePartsFragment;
  onDeleted?: () => void;
}

/** Pause or resume, run now, delete. */
export const ScheduleActions = ({ schedule: { id, name, isPaused }, onDeleted }: ScheduleActionsProps) => {
  const [pausing, pause] = useMutation(PauseScheduleDocument);
  const [resuming, resume] = useMutation(ResumeScheduleDocument);
  const [running, run] = useMutation(RunScheduleNowDocument);
  const [isDeleting, setIsDeleting] = useState(false);
  const toggle = async (): Promise<void> => {
    const { error } = await (isPaused ? resume : pause)({ id });
    if (error) showProblem(problemOf(error));
  };
  const runNow = async (): Promise<void> => {
    const { error } = await run({ id });
    if (error) showProblem(problemOf(error));
    else showToast(`“${name}” made a task.`);
  };
  return (
    <>
      <Button
        isSmall
        icon={isPaused ? 'play' : 'pause'}
        isBusy={pausing.fetching || resuming.fetching}
        aria-label={`${isPaused ? 'Resume' : 'Pause'} ${name}`}
        onClick={toggle}
      >
        {isPaused ? 'Resume' : 'Pause'}
      </Button>
      <Button isSmall isBusy={running.fetching} aria-label={`Run now: ${name}`} onClick={runNow}>
        Run now
      </Button>
      <Button isSmall kind="danger" aria-label={`Delete ${name}`} onClick={() => setIsDeleting(true)}>
        Delete
      </Button>
      {isDeleting && <DeleteDialog id={id} name={name} onClose={() => setIsDeleting(false)} onDeleted={onDeleted} />}
    </>
  );
};

interface DeleteDialogProps {
  id: string;
  name: string;
  onClose: () => void;
  onDeleted: (() => void) | undefined;
}

const DeleteDialog = ({ id, name, onClose, onDeleted }: DeleteDialogProps) => {
  const [, remove] = useMutation(DeleteScheduleDocument);
  const submit = async () => {
    const { error } = await remove({ id });
    if (error) return error;
    showToast(`“${name}” is deleted.`);
    onClose();
    onDeleted?.();
    return undefined;
  };
  return (
    <ActionDialog
      title={`Delete “${name}”?`}
      action="Delete the schedule"
      kind="danger"
      submit={submit}
      onClose={onClose}
    >
      <p>It makes no further tasks. Those that it has made stay. To stop it for a while, pause it.</p>
    </ActionDialog>
  );
};
