import { useState } from 'react';
import { useMutation, useSubscription } from 'urql';
import { logOut } from '../session/log-out.ts';
import { ActionDialog } from '../ui/action-form.tsx';
import { Button } from '../ui/button.tsx';
import { Panel } from '../ui/page.tsx';
import { PlainTable } from '../ui/plain-table.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { exactTime, RelativeTime } from '../ui/time.tsx';
import styles from './account-page.module.css';
import { EndSessionDocument, type LoginSessionPartsFragment, SessionsUpdatedDocument } from './sessions.generated.ts';

type LoginSession = LoginSessionPartsFragment;

const COLUMNS = ['Browser or program', 'From', 'Since', 'Last used', 'End'];

/** Where the user is logged in, live; any of them can be ended. */
export const SessionsPanel = () => {
  const [{ data, error }] = useSubscription({ query: SessionsUpdatedDocument });
  const [asked, setAsked] = useState<LoginSession>();
  return (
    <Panel title="Sessions" isFlush>
      {!data && (error ? <ErrorState error={error} /> : <Loading />)}
      {data && (
        <PlainTable label="Sessions" columns={COLUMNS}>
          {data.sessionsUpdated.map((session) => (
            <Row key={session.id} session={session} onEnd={() => setAsked(session)} />
          ))}
        </PlainTable>
      )}
      {asked && <EndDialog session={asked} onClose={() => setAsked(undefined)} />}
    </Panel>
  );
};

const nameOf = ({ userAgent }: LoginSession): string => userAgent ?? 'Unknown';

const Row = ({ session, onEnd }: { session: LoginSession; onEnd: () => void }) => (
  <tr>
    <th scope="row">{session.isCurrent ? `${nameOf(session)} (this one)` : nameOf(session)}</th>
    <td className={styles.whole}>{session.address ?? 'Unknown'}</td>
    <td>
      <RelativeTime at={session.createdAt} />
    </td>
    <td>
      <RelativeTime at={session.lastUsedAt} />
    </td>
    <td>
      {session.isCurrent ? (
        <Button isSmall aria-label="Log out here" onClick={logOut}>
          Log out
        </Button>
      ) : (
        <Button isSmall kind="danger" aria-label={`End the one since ${exactTime(session.createdAt)}`} onClick={onEnd}>
          End
        </Button>
      )}
    </td>
  </tr>
);

const EndDialog = ({ session, onClose }: { session: LoginSession; onClose: () => void }) => {
  const [, end] = useMutation(EndSessionDocument);
  const submit = async () => {
    const { error } = await end({ id: session.id });
    if (!error) onClose();
    return error;
  };
  return (
    <ActionDialog title="End this session?" action="End the session" kind="danger" submit={submit} onClose={onClose}>
      <p>
        {nameOf(session)}, since {exactTime(session.createdAt)}: it is logged out at once. API keys and watch tokens go
        on.
      </p>
    </ActionDialog>
  );
};
