import type { CreateTaskInput, TaskPriority } from '../schema.generated.ts';
import { Field, TextField } from '../ui/field.tsx';
import styles from './submit-page.module.css';

export type TaskDefaults = Partial<
  Record<'queue' | 'priority' | 'maxAttempts' | 'timeoutMs' | 'tags', string | number | readonly string[] | null>
>;

/** Beside type and payload: where it waits, when it runs, how often it is tried. */
export const TaskOptions = ({ defaults }: { defaults: TaskDefaults }) => (
  <details className={styles.options}>
    <summary>Options: queue, priority, time, attempts, tags</summary>
    <div className={styles.optionGrid}>
      <TextField
        label="Queue"
        name="queue"
        defaultValue={text(defaults.queue) || 'default'}
        pattern="[a-z0-9._\-]{1,64}"
      />
      <Field label="Priority">
        {(control) => (
          <select {...control} name="priority" defaultValue={text(defaults.priority) || 'NORMAL'}>
            <option value="HIGH">High</option>
            <option value="NORMAL">Normal</option>
            <option value="LOW">Low</option>
          </select>
        )}
      </Field>
      <TextField label="Not before" name="runAt" type="datetime-local" hint="Empty: at once" />
      <TextField
        label="Attempts, at most"
        name="maxAttempts"
        type="number"
        min={1}
        max={100}
        defaultValue={text(defaults.maxAttempts)}
        hint="Empty: as its type says, else 3"
      />
      <TextField
        label="Time for one attempt, in ms"
        name="timeoutMs"
        type="number"
        min={1}
        defaultValue={text(defaults.timeoutMs)}
        hint="Empty: as its type says"
      />
      <TextField label="Tags" name="tags" defaultValue={text(defaults.tags)} hint="With commas between" />
      <TextField
        label="Idempotency key"
        name="idempotencyKey"
        hint="The same key gives the same task, however often you submit"
      />
    </div>
  </details>
);

/** The options as the API takes them; what was left empty is left out. */
export const readOptions = (form: FormData): Omit<CreateTaskInput, 'type' | 'payload'> => {
  const value = (name: string): string => String(form.get(name) ?? '').trim();
  const number = (name: string): number | null => (value(name) === '' ? null : Number(value(name)));
  const tags = value('tags')
    .split(',')
    .map((tag) => tag.trim())
    .filter(Boolean);
  return {
    queue: value('queue') || 'default',
    priority: (value('priority') || 'NORMAL') as TaskPriority,
    maxAttempts: number('maxAttempts'),
    timeoutMs: number('timeoutMs'),
    ...(value('runAt') === '' ? {} : { runAt: new Date(value('runAt')).toISOString() }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(value('idempotencyKey') === '' ? {} : { idempotencyKey: value('idempotencyKey') }),
  };
};

const text = (value: string | number | readonly string[] | null | undefined): string =>
  Array.isArray(value) ? value.join(', ') : String(value ?? '');
