import { type ReactNode, useMemo } from 'react';
import { Button } from '../ui/button.tsx';
import { columnsOf, DataTable } from '../ui/data-table.tsx';
import { RelativeTime } from '../ui/time.tsx';
import type { ApiKeyPartsFragment } from './keys.generated.ts';
import styles from './keys-page.module.css';
import { SCOPES } from './scopes.ts';

export type ApiKey = ApiKeyPartsFragment;

interface KeyTableProps {
  apiKeys: readonly ApiKey[];
  onRotate: (apiKey: ApiKey) => void;
  onRevoke: (apiKey: ApiKey) => void;
  empty: ReactNode;
}

const column = columnsOf<ApiKey>();

export const KeyTable = ({ apiKeys, onRotate, onRevoke, empty }: KeyTableProps) => {
  const columns = useMemo(
    () =>
      column.columns([
        column.accessor('name', { header: 'Name', meta: { width: 'minmax(140px, 2fr)' } }),
        column.display({ id: 'prefix', header: 'Begins with', cell: ({ row }) => <Prefix of={row.original} /> }),
        column.accessor(({ scopes }) => scopes.map((scope) => SCOPES[scope].label).join(', '), {
          id: 'scopes',
          header: 'Allows',
          meta: { width: 'minmax(150px, 2fr)' },
        }),
        column.display({ id: 'used', header: 'Last used', cell: ({ row }) => <When at={row.original.lastUsedAt} /> }),
        column.display({ id: 'ends', header: 'Ends', cell: ({ row }) => <When at={row.original.expiresAt} /> }),
        column.display({
          id: 'actions',
          header: 'Actions',
          meta: { width: '170px' },
          cell: ({ row: { original } }) => <Actions apiKey={original} onRotate={onRotate} onRevoke={onRevoke} />,
        }),
      ]),
    [onRotate, onRevoke],
  );
  return (
    <DataTable
      label="API keys"
      columns={columns}
      rows={apiKeys}
      rowId={({ id }) => id}
      leastWidth={820}
      empty={empty}
    />
  );
};

const Prefix = ({ of: { prefix } }: { of: ApiKey }) => <span className="mono">{prefix}…</span>;

const When = ({ at }: { at: string | null }) => (at === null ? 'Never' : <RelativeTime at={at} />);

const Actions = ({ apiKey, onRotate, onRevoke }: { apiKey: ApiKey } & Pick<KeyTableProps, 'onRotate' | 'onRevoke'>) =>
  apiKey.isActive ? (
    <span className={styles.actions}>
      <Button isSmall aria-label={`Rotate ${apiKey.name}`} onClick={() => onRotate(apiKey)}>
        Rotate
      </Button>
      <Button isSmall kind="danger" aria-label={`Revoke ${apiKey.name}`} onClick={() => onRevoke(apiKey)}>
        Revoke
      </Button>
    </span>
  ) : (
    <span className="muted">No longer works</span>
  );
