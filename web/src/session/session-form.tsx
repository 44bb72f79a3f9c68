import type { CombinedError } from '@urql/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { fieldMessage, fieldOf, type Problem, problemOf } from '../live/problem.ts';
import { Button } from '../ui/button.tsx';
import type { SessionPartsFragment } from './session.generated.ts';
import { beginSession } from './session.ts';
import styles from './session-pages.module.css';

interface SessionFormProps {
  title: string;
  notice?: string | undefined;
  action: string;
  /** Asks the API with what was typed in. */
  ask: (
    values: Record<string, string>,
  ) => Promise<{ session: SessionPartsFragment | undefined; error?: CombinedError | undefined }>;
  /** The fields, given what is wrong with each. */
  children: (errorOf: (field: string) => string | undefined) => ReactNode;
  foot: ReactNode;
}

/** What logging in and signing up look like. Once the API gave a session, the router goes on by itself. */
export const SessionForm = ({ title, notice, action, ask, children, foot }: SessionFormProps) => {
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    setIsBusy(true);
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const { session, error } = await ask(values);
    setIsBusy(false);
    if (session) return beginSession(session);
    const next = error && problemOf(error);
    setProblem(next);
    focusField(form, next && fieldOf(next));
  };
  const errorOf = (field: string): string | undefined => fieldMessage(problem, field);
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <img src="/favicon.svg" alt="" width="24" height="24" /> TaskFlow
        </div>
        <h1 tabIndex={-1}>{title}</h1>
        {notice && <p className={styles.notice}>{notice}</p>}
        {problem && !problem.field && (
          <p className={styles.problem} role="alert">
            {problem.message} {problem.code === 'UNAUTHENTICATED' ? '' : problem.help}
          </p>
        )}
        <form className={styles.form} onSubmit={submit}>
          {children(errorOf)}
          <Button type="submit" kind="primary" isBusy={isBusy}>
            {action}
          </Button>
        </form>
        <p className={styles.foot}>{foot}</p>
      </div>
    </main>
  );
};

const focusField = (form: HTMLFormElement, field: string | undefined): void => {
  const control = form.elements.namedItem(field ?? '');
  if (control instanceof HTMLElement) control.focus();
};
