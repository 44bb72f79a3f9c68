import { useQuery } from 'urql';
import type { WaitKind } from '../schema.generated.ts';
import { Button } from '../ui/button.tsx';
import { RelativeTime } from '../ui/time.tsx';
import { TaskWaitDocument } from './task.generated.ts';

const WORDS: Record<WaitKind, string> = {
  NOT_DUE: 'It is to run later',
  BACKOFF: 'An attempt failed, and the next one is not due yet',
  DEPENDENCY: 'Tasks that it depends on have not ended',
  PAUSED: 'Its queue is paused',
  NO_WORKER: 'No worker that lives serves its queue and its type',
  BEHIND: 'Others go first',
};

/**
 * Why a task does not run yet. No subscription says how a line moves on: it is asked for at each transition, and by hand.
 * Give it a `key` of the task's last transition.
 */
export const WaitReason = ({ id }: { id: string }) => {
  const [{ data, error, fetching }, ask] = useQuery({
    query: TaskWaitDocument,
    variables: { id },
    requestPolicy: 'network-only',
  });
  const reason = data?.task?.waitReason;
  if (!reason && !error) return null;
  return (
    <>
      {reason ? WORDS[reason.kind] : 'This cannot be said now'}
      {reason?.until && (
        <>
          {' '}
          (<RelativeTime at={reason.until} />)
        </>
      )}
      {typeof reason?.position === 'number' && ` (${reason.position} before it)`}{' '}
      <Button isSmall kind="quiet" isBusy={fetching} onClick={() => ask({ requestPolicy: 'network-only' })}>
        Look again
      </Button>
    </>
  );
};
