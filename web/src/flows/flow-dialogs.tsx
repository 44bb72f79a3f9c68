import type { CombinedError } from '@urql/core';
import { useMutation } from 'urql';
import { ActionDialog } from '../ui/action-form.tsx';
import { TextField } from '../ui/field.tsx';
import { showToast } from '../ui/toast.tsx';
import { MOST_IDS } from './flow-tasks.ts';
import { CancelTasksOfFlowDocument, RetryTasksOfFlowDocument } from './flows.generated.ts';

interface FlowDialogProps {
  ids: readonly string[];
  onClose: () => void;
}

const tasksOf = (count: number): string => (count === 1 ? 'one task' : `${count} tasks`);

export const CancelFlowDialog = ({ ids, onClose }: FlowDialogProps) => {
  const [, cancel] = useMutation(CancelTasksOfFlowDocument);
  const submit = async (values: FormData) => {
    const reason = String(values.get('reason') ?? '').trim();
    const error = await inParts(ids, (part) => cancel({ ids: part, reason: reason === '' ? null : reason }));
    if (error) return error;
    showToast(`Cancelling ${tasksOf(ids.length)}.`);
    onClose();
    return undefined;
  };
  return (
    <ActionDialog
      title={`Cancel ${tasksOf(ids.length)}?`}
      action="Cancel what has not ended"
      kind="danger"
      submit={submit}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          <p>Those that wait end at once. Those that run are told to stop.</p>
          <TextField
            label="Reason"
            name="reason"
            maxLength={1_000}
            autoComplete="off"
            hint="For the events of the tasks; may be empty"
            error={errorOf('reason')}
          />
        </>
      )}
    </ActionDialog>
  );
};

export const RetryFlowDialog = ({ ids, onClose }: FlowDialogProps) => {
  const [, retry] = useMutation(RetryTasksOfFlowDocument);
  const submit = async () => {
    const error = await inParts(ids, (part) => retry({ ids: part }));
    if (error) return error;
    showToast(`Putting ${tasksOf(ids.length)} back.`);
    onClose();
    return undefined;
  };
  return (
    <ActionDialog title={`Retry ${tasksOf(ids.length)}?`} action="Put them back" submit={submit} onClose={onClose}>
      <p>
        All that failed or were cancelled go straight into their queues: a task that is put back waits for no other. To
        keep to the order, retry the first ones on their own pages, and the others when those have completed.
      </p>
    </ActionDialog>
  );
};

/** @returns the first error; the parts after it are left */
const inParts = async (
  ids: readonly string[],
  ask: (part: string[]) => Promise<{ error?: CombinedError | undefined }>,
): Promise<CombinedError | undefined> => {
  for (let start = 0; start < ids.length; start += MOST_IDS) {
    const { error } = await ask(ids.slice(start, start + MOST_IDS));
    if (error) return error;
  }
  return undefined;
};
