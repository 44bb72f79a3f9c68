import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import type { Problem } from '../live/problem.ts';
import type { MissedRuns, TaskPriority } from '../schema.generated.ts';
import { ActionDialog, type ErrorOf } from '../ui/action-form.tsx';
import { SelectField } from '../ui/choices.tsx';
import { Field, TextField } from '../ui/field.tsx';
import { CronPreview } from './cron-preview.tsx';
import {
  CreateScheduleDocument,
  type ScheduleQuery,
  TaskTypeNamesDocument,
  UpdateScheduleDocument,
} from './schedules.generated.ts';
import styles from './schedules.module.css';

type Schedule = NonNullable<ScheduleQuery['schedule']>;

const PRIORITIES = [
  { value: 'HIGH', label: 'High' },
  { value: 'NORMAL', label: 'Normal' },
  { value: 'LOW', label: 'Low' },
] as const;

const MISSED = [
  { value: 'SKIP', label: 'Leave them out' },
  { value: 'RUN_ONCE', label: 'Make one task for all of them' },
] as const;

interface ScheduleDialogProps {
  /** The one that is changed; none for a new one. */
  schedule?: Schedule;
  onClose: () => void;
  onDone: (id: string) => void;
}

/** Makes a schedule, or changes one. */
export const ScheduleDialog = ({ schedule, onClose, onDone }: ScheduleDialogProps) => {
  const [, create] = useMutation(CreateScheduleDocument);
  const [, update] = useMutation(UpdateScheduleDocument);
  const submit = async (values: FormData) => {
    const payload = parsePayload(String(values.get('payload')));
    if ('problem' in payload) return payload.problem;
    const input = { ...inputOf(values), payload: payload.value };
    if (schedule) {
      const { data, error } = await update({ id: schedule.id, input });
      if (data) onDone(data.updateSchedule.id);
      return error;
    }
    const { data, error } = await create({ input });
    if (data) onDone(data.createSchedule.id);
    return error;
  };
  return (
    <ActionDialog
      title={schedule ? `Edit “${schedule.name}”` : 'New schedule'}
      action={schedule ? 'Save the changes' : 'Create the schedule'}
      submit={submit}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          <TextField
            label="Name"
            name="name"
            required
            maxLength={80}
            autoComplete="off"
            defaultValue={schedule?.name}
            error={errorOf('name')}
          />
          <Times schedule={schedule} errorOf={errorOf} />
          <TaskFields schedule={schedule} errorOf={errorOf} />
        </>
      )}
    </ActionDialog>
  );
};

interface FieldsProps {
  schedule: Schedule | undefined;
  errorOf: ErrorOf;
}

const Times = ({ schedule, errorOf }: FieldsProps) => {
  const [cron, setCron] = useState(schedule?.cron ?? '');
  const [timeZone, setTimeZone] = useState(
    schedule?.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC',
  );
  return (
    <>
      <TextField
        label="When"
        name="cron"
        required
        autoComplete="off"
        spellCheck={false}
        value={cron}
        onChange={({ target }) => setCron(target.value)}
        hint="minute, hour, day of month, month, day of week: “30 2 * * MON-FRI”; or @hourly, @daily, @weekly. Six fields have seconds before them."
        error={errorOf('cron')}
      />
      <TextField
        label="Time zone"
        name="timeZone"
        required
        autoComplete="off"
        list="time-zones"
        value={timeZone}
        onChange={({ target }) => setTimeZone(target.value)}
        error={errorOf('timeZone')}
      />
      <datalist id="time-zones">
        {['UTC', ...Intl.supportedValuesOf('timeZone')].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <CronPreview cron={cron} timeZone={timeZone} />
    </>
  );
};

const TaskFields = ({ schedule, errorOf }: FieldsProps) => {
  const [{ data }] = useQuery({ query: TaskTypeNamesDocument });
  const payload = schedule?.payload ?? null;
  return (
    <>
      <TextField
        label="Task type"
        name="type"
        required
        autoComplete="off"
        list="task-types"
        defaultValue={schedule?.type}
        error={errorOf('type')}
      />
      <datalist id="task-types">
        {data?.taskTypes.map(({ type }) => (
          <option key={type} value={type} />
        ))}
      </datalist>
      <Field label="Payload" hint="JSON; empty for none" error={errorOf('payload')}>
        {(control) => (
          <textarea
            {...control}
            name="payload"
            spellCheck={false}
            defaultValue={payload === null ? '' : JSON.stringify(payload, null, 2)}
          />
        )}
      </Field>
      <details>
        <summary>More: queue, priority, attempts, tags</summary>
        <MoreFields schedule={schedule} errorOf={errorOf} />
      </details>
    </>
  );
};

const MoreFields = ({ schedule, errorOf }: FieldsProps) => (
  <div className={styles.fields}>
    <TextField
      label="Queue"
      name="queue"
      required
      maxLength={64}
      autoComplete="off"
      defaultValue={schedule?.queue ?? 'default'}
      error={errorOf('queue')}
    />
    <SelectField
      label="Priority"
      name="priority"
      choices={PRIORITIES}
      defaultValue={schedule?.priority ?? 'NORMAL'}
      error={errorOf('priority')}
    />
    <TextField
      label="Attempts"
      name="maxAttempts"
      type="number"
      min={1}
      max={100}
      required
      defaultValue={schedule?.maxAttempts ?? 3}
      hint="How often a task is tried, at most"
      error={errorOf('maxAttempts')}
    />
    <TextField
      label="Time limit in ms"
      name="timeoutMs"
      type="number"
      min={1}
      defaultValue={schedule?.timeoutMs ?? ''}
      hint="For one attempt. Empty: as its type says"
      error={errorOf('timeoutMs')}
    />
    <SelectField
      label="Due times that were missed"
      name="missedRuns"
      choices={MISSED}
      defaultValue={schedule?.missedRuns ?? 'SKIP'}
      hint="While no manager ran for longer than a minute"
      error={errorOf('missedRuns')}
    />
    <TextField
      label="Tags"
      name="tags"
      autoComplete="off"
      defaultValue={schedule?.tags.join(', ')}
      hint="Put commas between."
      error={errorOf('tags')}
    />
  </div>
);

const inputOf = (values: FormData) => {
  const text = (name: string): string => String(values.get(name) ?? '').trim();
  const timeoutMs = text('timeoutMs');
  return {
    name: text('name'),
    cron: text('cron'),
    timeZone: text('timeZone'),
    type: text('type'),
    queue: text('queue'),
    priority: text('priority') as TaskPriority,
    missedRuns: text('missedRuns') as MissedRuns,
    maxAttempts: Number(text('maxAttempts')),
    timeoutMs: timeoutMs === '' ? null : Number(timeoutMs),
    tags: text('tags')
      .split(',')
      .map((tag) => tag.trim())
      .filter((tag) => tag !== ''),
  };
};

const parsePayload = (text: string): { value: unknown } | { problem: Problem } => {
  if (text.trim() === '') return { value: null };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const message = `This is not JSON: ${(error as Error).message}`;
    return { problem: { code: 'BAD_USER_INPUT', message, help: undefined, field: 'payload' } };
  }
};
