import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useMutation, useSubscription } from 'urql';
import { useSession } from '../session/session.ts';
import { ActionDialog } from '../ui/action-form.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Panel } from '../ui/page.tsx';
import { PlainTable } from '../ui/plain-table.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { RelativeTime } from '../ui/time.tsx';
import styles from './audit-page.module.css';
import {
  LockUserDocument,
  SetUserRoleDocument,
  UnlockUserDocument,
  type UserAccountPartsFragment,
  UsersUpdatedDocument,
} from './users.generated.ts';

type Account = UserAccountPartsFragment;
type Change = 'lock' | 'unlock' | 'promote' | 'demote';

const COLUMNS = ['User', 'Email', 'Role', 'Since', 'Last seen', 'Logins', 'Keys', 'Change'];

const QUESTIONS: Record<Change, { title: string; action: string; text: string }> = {
  lock: {
    title: 'Lock',
    action: 'Lock the user',
    text: 'All logins end, API keys are refused, and what is open is cut off. Tasks that wait or run, and schedules, go on.',
  },
  unlock: {
    title: 'Unlock',
    action: 'Unlock the user',
    text: 'The password and the API keys work again. Logins from before stay ended.',
  },
  promote: {
    title: 'Promote',
    action: 'Make an admin',
    text: 'An admin sees and manages everybody’s tasks, all queues, and users.',
  },
  demote: {
    title: 'Demote',
    action: 'Make an ordinary user',
    text: 'What is open with an admin’s rights is cut off.',
  },
};

interface UsersPanelProps {
  initialSearch: string;
  /** Keeps what is searched for in the address. */
  onSearch: (search: string) => void;
}

/** Who has an account, live; with what an admin may change about it. */
export const UsersPanel = ({ initialSearch, onSearch }: UsersPanelProps) => {
  // The address follows some ms later: a field that waited for it would lose letters.
  const [search, setSearch] = useState(initialSearch);
  const [asked, setAsked] = useState<{ change: Change; account: Account }>();
  return (
    <Panel title="Users" isFlush>
      <div className={styles.filter}>
        <TextField
          label="Email or username"
          name="search"
          autoComplete="off"
          value={search}
          onChange={({ currentTarget }) => {
            setSearch(currentTarget.value);
            onSearch(currentTarget.value);
          }}
        />
      </div>
      <PlainTable label="Users" columns={COLUMNS}>
        <Part key={search} search={search} after={null} onChange={(change, account) => setAsked({ change, account })} />
      </PlainTable>
      {asked && <ChangeDialog {...asked} onClose={() => setAsked(undefined)} />}
    </Panel>
  );
};

interface PartProps {
  search: string;
  after: string | null;
  onChange: (change: Change, account: Account) => void;
}

/** A page of users, and those after it, once they are asked for. */
const Part = ({ search, after, onChange }: PartProps) => {
  const variables = { after, search };
  const [{ data, error }] = useSubscription({ query: UsersUpdatedDocument, variables });
  const [hasMore, setHasMore] = useState(false);
  if (!data) return <Wide>{error ? <ErrorState error={error} /> : <Loading />}</Wide>;
  const { edges, pageInfo } = data.usersUpdated;
  if (after === null && edges.length === 0) {
    return (
      <Wide>
        <EmptyState icon="search" title="Nobody matches">
          A part of the email or of the username is enough.
        </EmptyState>
      </Wide>
    );
  }
  return (
    <>
      {edges.map(({ node }) => (
        <Row key={node.id} account={node} onChange={(change) => onChange(change, node)} />
      ))}
      {pageInfo.hasNextPage && !hasMore && (
        <Wide>
          <Button onClick={() => setHasMore(true)}>Show more users</Button>
        </Wide>
      )}
      {pageInfo.hasNextPage && hasMore && (
        <Part search={search} after={pageInfo.endCursor ?? null} onChange={onChange} />
      )}
    </>
  );
};

const Wide = ({ children }: { children: ReactNode }) => (
  <tr>
    <td colSpan={COLUMNS.length}>{children}</td>
  </tr>
);

const Row = ({ account, onChange }: { account: Account; onChange: (change: Change) => void }) => {
  const { id, username, email, role, createdAt, lastSeenAt, lockedAt, openSessions, activeApiKeys } = account;
  const isOwn = useSession()?.user.id === id;
  const isAdmin = role === 'ADMIN';
  const locking = lockedAt ? 'unlock' : 'lock';
  const ranking = isAdmin ? 'demote' : 'promote';
  return (
    <tr>
      <td title={id}>
        <Link to="/tasks" search={{ owner: username }} title={`Tasks of ${username}`} preload={false}>
          {isOwn ? `${username} (you)` : username}
        </Link>
      </td>
      <td>{email}</td>
      <td>
        {isAdmin ? 'Admin' : 'User'}
        {lockedAt && ', locked'}
      </td>
      <td className={styles.whole}>
        <RelativeTime at={createdAt} />
      </td>
      <td className={styles.whole}>{lastSeenAt ? <RelativeTime at={lastSeenAt} /> : 'Never'}</td>
      <td>{openSessions}</td>
      <td>{activeApiKeys}</td>
      <td className={styles.whole}>
        {!isOwn && (
          <>
            <Button isSmall aria-label={`${QUESTIONS[locking].title} ${username}`} onClick={() => onChange(locking)}>
              {lockedAt ? 'Unlock' : 'Lock'}
            </Button>{' '}
            <Button isSmall aria-label={`${QUESTIONS[ranking].title} ${username}`} onClick={() => onChange(ranking)}>
              {isAdmin ? 'Demote' : 'Promote'}
            </Button>
          </>
        )}
      </td>
    </tr>
  );
};

interface ChangeDialogProps {
  change: Change;
  account: Account;
  onClose: () => void;
}

const ChangeDialog = ({ change, account: { id, username }, onClose }: ChangeDialogProps) => {
  const [, lock] = useMutation(LockUserDocument);
  const [, unlock] = useMutation(UnlockUserDocument);
  const [, setRole] = useMutation(SetUserRoleDocument);
  const { title, action, text } = QUESTIONS[change];
  const submit = async () => {
    const { error } = await (change === 'lock'
      ? lock({ id })
      : change === 'unlock'
        ? unlock({ id })
        : setRole({ id, role: change === 'promote' ? 'ADMIN' : 'USER' }));
    if (!error) onClose();
    return error;
  };
  return (
    <ActionDialog
      title={`${title} ${username}?`}
      action={action}
      kind={change === 'lock' ? 'danger' : 'primary'}
      submit={submit}
      onClose={onClose}
    >
      <p>{text}</p>
    </ActionDialog>
  );
};
