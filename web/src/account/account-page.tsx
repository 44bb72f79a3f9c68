import { useState } from 'react';
import { useMutation } from 'urql';
import { useFreshQuery } from '../live/use-fresh-query.ts';
import { beginSession, endSession } from '../session/session.ts';
import { ActionDialog, ActionForm } from '../ui/action-form.tsx';
import { Button } from '../ui/button.tsx';
import { Facts } from '../ui/facts.tsx';
import { TextField } from '../ui/field.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { exactTime } from '../ui/time.tsx';
import { showToast } from '../ui/toast.tsx';
import { ChangePasswordDocument, DeleteAccountDocument, MeDocument } from './account.generated.ts';
import styles from './account-page.module.css';
import { SessionsPanel } from './sessions-panel.tsx';

export const AccountPage = () => (
  <Page title="Account">
    <Panel title="You">
      <You />
    </Panel>
    <SessionsPanel />
    <Panel title="Password and logins">
      <PasswordForm />
    </Panel>
    <Panel title="Delete the account">
      <Deletion />
    </Panel>
  </Page>
);

const You = () => {
  const [{ data, error }, refresh] = useFreshQuery({ query: MeDocument });
  if (!data) return error ? <ErrorState error={error} onRetry={refresh} /> : <Loading />;
  const { username, email, isAdmin, createdAt } = data.me;
  return (
    <Facts
      facts={[
        ['Username', username],
        ['Email', email],
        ['Role', isAdmin ? 'Admin: sees and manages everybody’s tasks' : 'User'],
        ['Since', exactTime(createdAt)],
      ]}
    />
  );
};

const PasswordForm = () => {
  const [, change] = useMutation(ChangePasswordDocument);
  /** Another one empties the fields. */
  const [round, setRound] = useState(0);
  const submit = async (values: FormData) => {
    const { data, error } = await change({ current: String(values.get('current')), new: String(values.get('new')) });
    if (!data) return error;
    beginSession(data.changePassword);
    setRound(round + 1);
    showToast('The password is changed. All other logins have ended.');
    return undefined;
  };
  return (
    <div className={styles.form}>
      <p className="muted">
        A new password ends all other logins, in all browsers, and the watch tokens that were made with them. API keys
        go on: revoke them on their own page.
      </p>
      <ActionForm key={round} action="Change the password" submit={submit}>
        {(errorOf) => (
          <>
            <TextField
              label="Present password"
              name="current"
              type="password"
              autoComplete="current-password"
              required
              error={errorOf('current')}
            />
            <TextField
              label="New password"
              name="new"
              type="password"
              autoComplete="new-password"
              required
              minLength={8}
              hint="At least 8 characters"
              error={errorOf('new')}
            />
          </>
        )}
      </ActionForm>
    </div>
  );
};

const Deletion = () => {
  const [, remove] = useMutation(DeleteAccountDocument);
  const [isOpen, setIsOpen] = useState(false);
  const submit = async (values: FormData) => {
    const { error } = await remove({ password: String(values.get('password')) });
    if (!error) endSession('logged-out');
    return error;
  };
  return (
    <div className={styles.form}>
      <p className="muted">
        Your API keys stop working, and all your logins end. Tasks that are there go on, and are dropped in their time.
      </p>
      <Button kind="danger" onClick={() => setIsOpen(true)}>
        Delete the account
      </Button>
      {isOpen && (
        <ActionDialog
          title="Delete your account?"
          action="Delete it for good"
          kind="danger"
          submit={submit}
          onClose={() => setIsOpen(false)}
        >
          {(errorOf) => (
            <>
              <p>This cannot be undone.</p>
              <TextField
                label="Password"
                name="password"
                type="password"
                autoComplete="current-password"
                required
                error={errorOf('password')}
              />
            </>
          )}
        </ActionDialog>
      )}
    </div>
  );
};
