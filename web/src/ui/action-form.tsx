import type { CombinedError } from '@urql/core';
import { type FormEvent, type ReactNode, useRef, useState } from 'react';
import { fieldMessage, fieldOf, type Problem, problemOf } from '../live/problem.ts';
import styles from './action-form.module.css';
import { Button, type ButtonLook } from './button.tsx';
import { Dialog, DialogActions } from './dialog.tsx';

/** What is wrong with a field, by its name. */
export type ErrorOf = (field: string) => string | undefined;

export interface ActionFormProps {
  /** The words of the button that does it. */
  action: string;
  /** Default: primary. */
  kind?: ButtonLook['kind'];
  /** Asks the API with what was typed in. @returns what went wrong, also where that shows without asking */
  submit: (values: FormData) => Promise<CombinedError | Problem | undefined>;
  onCancel?: () => void;
  /** The fields. Their names are those of the mutation's arguments, or of the fields of its `input`. */
  children: ReactNode | ((errorOf: ErrorOf) => ReactNode);
}

/** A form that does one thing. What the API finds wrong shows beside its field, which gets the focus, or else above all. */
export const ActionForm = ({ action, kind = 'primary', submit, onCancel, children }: ActionFormProps) => {
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const onSubmit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    setIsBusy(true);
    const error = await submit(new FormData(event.currentTarget));
    setIsBusy(false);
    const next = error && 'graphQLErrors' in error ? problemOf(error) : error;
    setProblem(next);
    if (next) controlOf(form.current, next)?.focus();
  };
  const hasPlace = problem !== undefined && controlOf(form.current, problem) !== undefined;
  return (
    <form ref={form} className={styles.form} onSubmit={onSubmit}>
      {problem && !hasPlace && (
        <p className={styles.problem} role="alert">
          {problem.message} {problem.help}
        </p>
      )}
      {typeof children === 'function' ? children((field) => fieldMessage(problem, field)) : children}
      <DialogActions>
        {onCancel && <Button onClick={onCancel}>Cancel</Button>}
        <Button type="submit" kind={kind} isBusy={isBusy}>
          {action}
        </Button>
      </DialogActions>
    </form>
  );
};

/** A dialog that asks for what an action needs, or only whether it is meant. It is closed by whoever opened it, once it is done. */
export const ActionDialog = ({ title, onClose, ...form }: ActionFormProps & { title: string; onClose: () => void }) => (
  <Dialog title={title} onClose={onClose}>
    <ActionForm {...form} onCancel={onClose} />
  </Dialog>
);

const controlOf = (form: HTMLFormElement | null, problem: Problem): HTMLElement | undefined => {
  const control = form?.elements.namedItem(fieldOf(problem) ?? '');
  return control instanceof HTMLElement ? control : undefined;
};
