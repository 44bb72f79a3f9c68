import type { FormEvent } from 'react';
import { Button } from '../ui/button.tsx';
import { SelectField } from '../ui/choices.tsx';
import { TextField } from '../ui/field.tsx';
import { ACTION_NAMES } from './audit-actions.ts';
import { type AuditFilter, readAuditFilter, toLocal } from './audit-filter.ts';
import styles from './audit-page.module.css';

const ACTIONS = [
  { value: '', label: 'Anything' },
  ...Object.entries(ACTION_NAMES).map(([value, label]) => ({ value, label })),
];

interface AuditFilterBarProps {
  filter: AuditFilter;
  onChange: (filter: AuditFilter) => void;
}

export const AuditFilterBar = ({ filter, onChange }: AuditFilterBarProps) => {
  const take = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const values = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()]);
    onChange(readAuditFilter(Object.fromEntries(values)));
  };
  return (
    <form role="search" aria-label="Filter the audit log" className={styles.filter} onSubmit={take}>
      <SelectField label="What was done" name="action" choices={ACTIONS} defaultValue={filter.action ?? ''} />
      <TextField
        label="By the user"
        name="actorId"
        autoComplete="off"
        placeholder="An id"
        defaultValue={filter.actorId}
      />
      <TextField
        label="To"
        name="target"
        autoComplete="off"
        placeholder="An id, or a queue"
        defaultValue={filter.target}
      />
      <TextField label="From the address" name="address" autoComplete="off" defaultValue={filter.address} />
      <TextField label="Since" name="since" type="datetime-local" defaultValue={toLocal(filter.since)} />
      <TextField label="Before" name="until" type="datetime-local" defaultValue={toLocal(filter.until)} />
      <div className={styles.buttons}>
        <Button type="submit" icon="search">
          Filter
        </Button>
        {Object.keys(filter).length > 0 && (
          <Button kind="quiet" icon="close" onClick={() => onChange({})}>
            Clear
          </Button>
        )}
      </div>
    </form>
  );
};
