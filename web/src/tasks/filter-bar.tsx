import { type FormEvent, type ReactNode, type RefObject, useId } from 'react';
import { useQuery } from 'urql';
import { useSession } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { STATUS_NAMES } from '../ui/status-badge.tsx';
import styles from './filter-bar.module.css';
import { OwnerField } from './owner.tsx';
import { isFiltered, STATUSES, statusesOf, type TaskFilter } from './task-filter.ts';
import { FilterChoicesDocument } from './tasks.generated.ts';

interface FilterBarProps {
  filter: TaskFilter;
  onChange: (filter: TaskFilter) => void;
  /** Of the first field. */
  fieldRef: RefObject<HTMLInputElement | null>;
}

/** What the list is filtered by. Fields count when they are left, or with Enter. */
export const FilterBar = ({ filter, onChange, fieldRef }: FilterBarProps) => {
  const take = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const next = readForm(new FormData(event.currentTarget));
    if (JSON.stringify(next) !== JSON.stringify(readAgain(filter))) onChange(next);
  };
  const hasMore = Boolean(filter.since ?? filter.until ?? filter.path);
  return (
    <form
      role="search"
      aria-label="Filter tasks"
      className={styles.bar}
      onSubmit={take}
      onBlur={({ target, currentTarget }) => target instanceof HTMLInputElement && currentTarget.requestSubmit()}
    >
      <StatusChips key={filter.status} chosen={statusesOf(filter.status)} />
      <Fields filter={filter} fieldRef={fieldRef} />
      <details className={styles.more} open={hasMore}>
        <summary>Time and payload</summary>
        <MoreFields filter={filter} />
      </details>
      <div className={styles.actions}>
        <Button type="submit" isSmall icon="search">
          Filter
        </Button>
        {isFiltered(filter) && (
          <Button isSmall kind="quiet" icon="close" onClick={() => onChange({})}>
            Clear the filter
          </Button>
        )}
      </div>
    </form>
  );
};

const StatusChips = ({ chosen }: { chosen: readonly string[] }) => (
  <fieldset className={styles.chips}>
    <legend className="visually-hidden">Status</legend>
    {STATUSES.map((status) => (
      <label key={status} className={styles.chip}>
        <input
          type="checkbox"
          name="status"
          value={status}
          defaultChecked={chosen.includes(status)}
          onChange={({ target }) => target.form?.requestSubmit()}
        />
        {STATUS_NAMES[status]}
      </label>
    ))}
  </fieldset>
);

interface FieldsProps {
  filter: TaskFilter;
  fieldRef: RefObject<HTMLInputElement | null>;
}

const Fields = ({ filter, fieldRef }: FieldsProps) => {
  const [{ data }] = useQuery({ query: FilterChoicesDocument });
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const typesId = useId();
  const queuesId = useId();
  return (
    <div className={styles.fields}>
      <Text name="type" label="Type" filter={filter} list={typesId} ref={fieldRef} />
      <Text name="queue" label="Queue" filter={filter} list={queuesId} />
      <Text name="tag" label="Tags" filter={filter} placeholder="customer:42, urgent" />
      {isAdmin && <OwnerField key={filter.owner} owner={filter.owner} />}
      <Choices id={typesId} values={data?.taskTypes.map(({ type }) => type)} />
      <Choices id={queuesId} values={data?.queues.map(({ name }) => name)} />
    </div>
  );
};

const MoreFields = ({ filter }: { filter: TaskFilter }) => (
  <div className={styles.fields}>
    <Time name="since" label="Submitted after" at={filter.since} />
    <Time name="until" label="Submitted before" at={filter.until} />
    <Text name="path" label="Place in the payload" filter={filter} placeholder="customer.country" />
    <Text name="equals" label="What stands there" filter={filter} placeholder={'"CH" or 42'} />
  </div>
);

interface TextProps {
  name: keyof TaskFilter;
  label: string;
  filter: TaskFilter;
  list?: string;
  placeholder?: string;
  ref?: RefObject<HTMLInputElement | null>;
}

/** Going back and forward changes the filter: a field with another key shows it. */
const Text = ({ filter, name, ...rest }: TextProps) => (
  <TextField
    key={filter[name]}
    name={name}
    defaultValue={filter[name]}
    autoComplete="off"
    spellCheck={false}
    {...rest}
  />
);

const Time = ({ name, label, at }: { name: string; label: string; at: string | undefined }) => (
  <TextField key={at} name={name} label={label} type="datetime-local" step="1" defaultValue={at && toLocal(at)} />
);

const Choices = ({ id, values = [] }: { id: string; values?: readonly string[] | undefined }): ReactNode => (
  <datalist id={id}>
    {values.map((value) => (
      <option key={value} value={value} />
    ))}
  </datalist>
);

/** As an input of the type datetime-local has it, to the second. */
const toLocal = (at: string): string => {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
};

/** Text fields. */
const TEXTS = ['owner', 'type', 'queue', 'tag', 'path', 'equals'] as const;

const readForm = (form: FormData): TaskFilter => {
  const filter: TaskFilter = {};
  const status = form.getAll('status').join(',');
  if (status !== '') filter.status = status;
  for (const name of TEXTS) {
    const text = String(form.get(name) ?? '').trim();
    if (text !== '') filter[name] = text;
  }
  for (const name of ['since', 'until'] as const) {
    const text = String(form.get(name) ?? '');
    if (text !== '') filter[name] = new Date(text).toISOString();
  }
  return filter;
};

/** The filter as its form would give it: what it shows of it, in its order. */
const readAgain = (filter: TaskFilter): TaskFilter => {
  const form = new FormData();
  for (const status of statusesOf(filter.status)) form.append('status', status);
  for (const name of TEXTS) form.set(name, filter[name] ?? '');
  for (const name of ['since', 'until'] as const) {
    const at = filter[name];
    if (at) form.set(name, toLocal(at));
  }
  return readForm(form);
};
