import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useSubscription } from 'urql';
import { Button } from '../ui/button.tsx';
import { Checkbox } from '../ui/choices.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { showToast } from '../ui/toast.tsx';
import { CreateKeyDialog, RevokeKeyDialog, RotateKeyDialog } from './key-dialogs.tsx';
import { type ApiKey, KeyTable } from './key-table.tsx';
import { ApiKeysUpdatedDocument } from './keys.generated.ts';
import styles from './keys-page.module.css';
import { SecretDialog } from './secret-dialog.tsx';
import { WatchTokens } from './watch-tokens.tsx';

type Opened =
  | { dialog: 'create' }
  | { dialog: 'rotate' | 'revoke'; apiKey: ApiKey }
  | { dialog: 'secret'; secret: string; name: string };

export const KeysPage = () => {
  const [{ data, error }] = useSubscription({ query: ApiKeysUpdatedDocument });
  const [opened, setOpened] = useState<Opened>();
  const create = (
    <Button icon="submit" kind="primary" onClick={() => setOpened({ dialog: 'create' })}>
      New key
    </Button>
  );
  return (
    <Page title="API keys" actions={create}>
      <Panel title="Keys of programs" isFlush>
        {error && !data && <ErrorState error={error} />}
        {!error && !data && <Loading />}
        {data && (
          <Keys
            apiKeys={data.apiKeysUpdated}
            onRotate={(apiKey) => setOpened({ dialog: 'rotate', apiKey })}
            onRevoke={(apiKey) => setOpened({ dialog: 'revoke', apiKey })}
          />
        )}
      </Panel>
      <WatchTokens />
      {opened && <OpenedDialog opened={opened} setOpened={setOpened} />}
    </Page>
  );
};

interface KeysProps {
  apiKeys: readonly ApiKey[];
  onRotate: (apiKey: ApiKey) => void;
  onRevoke: (apiKey: ApiKey) => void;
}

const Keys = ({ apiKeys, ...actions }: KeysProps) => {
  const { all = false } = useSearch({ from: '/signed-in/keys' });
  const navigate = useNavigate({ from: '/keys' });
  const active = apiKeys.filter(({ isActive }) => isActive);
  const ended = apiKeys.length - active.length;
  return (
    <>
      <KeyTable
        apiKeys={all ? apiKeys : active}
        {...actions}
        empty={
          <EmptyState icon="keys" title={ended > 0 ? 'No key works' : 'No keys yet'}>
            A program shows its key instead of a password, in the header “X-API-Key”. “New key” makes one.
          </EmptyState>
        }
      />
      {ended > 0 && (
        <div className={styles.foot}>
          <Checkbox
            label={`Show those that no longer work (${ended})`}
            checked={all}
            onChange={() => void navigate({ search: all ? {} : { all: true }, replace: true })}
          />
        </div>
      )}
    </>
  );
};

interface OpenedDialogProps {
  opened: Opened;
  setOpened: (opened: Opened | undefined) => void;
}

const OpenedDialog = ({ opened, setOpened }: OpenedDialogProps) => {
  const close = (): void => setOpened(undefined);
  const showSecret = (secret: string, name: string): void => setOpened({ dialog: 'secret', secret, name });
  switch (opened.dialog) {
    case 'create':
      return <CreateKeyDialog onClose={close} onCreated={showSecret} />;
    case 'rotate':
      return <RotateKeyDialog apiKey={opened.apiKey} onClose={close} onRotated={showSecret} />;
    case 'revoke': {
      const { apiKey } = opened;
      const onRevoked = (): void => {
        close();
        showToast(`“${apiKey.name}” no longer works.`);
      };
      return <RevokeKeyDialog apiKey={apiKey} onClose={close} onRevoked={onRevoked} />;
    }
    case 'secret':
      return <SecretDialog kind="key" secret={opened.secret} title={`The key “${opened.name}”`} onClose={close} />;
  }
};
