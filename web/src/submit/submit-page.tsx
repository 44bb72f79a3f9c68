import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useRef, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { type Problem, problemOf } from '../live/problem.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { PayloadField } from './payload-field.tsx';
import type { PayloadReader } from './payload-form.tsx';
import { SubmitTaskDocument, TaskToRepeatDocument, TaskTypesDocument } from './submit.generated.ts';
import styles from './submit-page.module.css';
import { SubmittedTask } from './submitted-task.tsx';
import { readOptions, type TaskDefaults, TaskOptions } from './task-options.tsx';

export const SubmitPage = () => {
  const { from } = useSearch({ from: '/signed-in/submit' });
  const [types, askTypes] = useQuery({ query: TaskTypesDocument, requestPolicy: 'cache-and-network' });
  const [repeated] = useQuery({
    query: TaskToRepeatDocument,
    variables: { id: from ?? '' },
    pause: from === undefined,
  });
  const [submittedId, setSubmittedId] = useState<string>();
  const error = types.error ?? repeated.error;
  const isLoading = !types.data || (from !== undefined && repeated.fetching);
  return (
    <Page title="Submit a task">
      {error && <ErrorState error={error} onRetry={() => askTypes({ requestPolicy: 'network-only' })} />}
      {!error && isLoading && <Loading />}
      {!error && types.data && !isLoading && (
        <div className={styles.columns}>
          <Panel>
            <SubmitForm
              key={from}
              types={types.data.taskTypes}
              repeated={repeated.data?.task ?? undefined}
              onSubmitted={setSubmittedId}
            />
          </Panel>
          {submittedId && <SubmittedTask key={submittedId} id={submittedId} />}
        </div>
      )}
    </Page>
  );
};

interface SubmitFormProps {
  types: readonly { type: string; payloadSchema?: unknown }[];
  /** A task whose payload and options it begins with. */
  repeated: (TaskDefaults & { type: string; payload?: unknown }) | undefined;
  onSubmitted: (id: string) => void;
}

const SubmitForm = ({ types, repeated, onSubmitted }: SubmitFormProps) => {
  const search = useSearch({ from: '/signed-in/submit' });
  const navigate = useNavigate({ from: '/submit' });
  const [{ fetching }, submitTask] = useMutation(SubmitTaskDocument);
  const [problem, setProblem] = useState<Problem>();
  const payload = useRef<PayloadReader>(null);
  const type = search.type ?? repeated?.type ?? types[0]?.type;
  const schema = types.find((each) => each.type === type)?.payloadSchema ?? null;
  if (type === undefined) return <NoTypes />;
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const read = payload.current?.read();
    if (!read) return;
    const options = readOptions(new FormData(event.currentTarget));
    const { data, error } = await submitTask({ input: { type, payload: read.payload, ...options } });
    setProblem(error && problemOf(error));
    if (data) onSubmitted(data.createTask.id);
  };
  const names = new Set([...types.map((each) => each.type), type]);
  return (
    <form className={styles.form} onSubmit={submit} noValidate>
      <Field label="Task type" hint="Those that running workers have announced">
        {(control) => (
          <select
            {...control}
            value={type}
            onChange={({ target }) => void navigate({ search: { type: target.value }, replace: true })}
          >
            {[...names].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Field>
      <PayloadField
        key={type}
        ref={payload}
        schema={schema}
        initial={repeated && repeated.type === type ? repeated.payload : undefined}
      />
      <TaskOptions defaults={repeated ?? {}} />
      {problem && (
        <p className={styles.problem} role="alert">
          {problem.message} {problem.help}
        </p>
      )}
      <div>
        <Button type="submit" kind="primary" icon="submit" isBusy={fetching}>
          Submit
        </Button>
      </div>
    </form>
  );
};

const NoTypes = () => (
  <EmptyState icon="workers" title="No worker has announced what it can run">
    Start one with <code>taskflow worker</code>. Then its task types are here, each with a form for its payload.
  </EmptyState>
);
