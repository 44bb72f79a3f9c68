import { type ComponentProps, type ReactNode, useId } from 'react';
import { classes } from './classes.ts';
import styles from './field.module.css';

interface FieldProps {
  label: string;
  /** Below the field. */
  hint?: ReactNode;
  /** What is wrong with it. It is read out with the field. */
  error?: string | undefined;
}

/** What an input, a select or a textarea needs to belong to its label, its hint and its error. */
export interface ControlProps {
  id: string;
  className: string;
  'aria-invalid': boolean;
  'aria-describedby': string;
}

/** A label with any control, its hint and its error: `<Field label="Queue">{(control) => <select {...control} />}</Field>`. */
export const Field = ({
  label,
  hint,
  error,
  children,
}: FieldProps & { children: (control: ControlProps) => ReactNode }) => {
  const id = useId();
  return (
    <div className={styles.field}>
      <label className={styles.label} htmlFor={id}>
        {label}
      </label>
      {children({
        id,
        className: styles.input ?? '',
        'aria-invalid': error !== undefined,
        'aria-describedby': `${id}-more`,
      })}
      <div id={`${id}-more`} className={classes(error === undefined ? styles.hint : styles.error)}>
        {error ?? hint}
      </div>
    </div>
  );
};

/** One line of text. */
export const TextField = ({ label, hint, error, ...input }: FieldProps & ComponentProps<'input'>) => (
  <Field label={label} hint={hint} {...(error === undefined ? {} : { error })}>
    {(control) => <input {...input} {...control} />}
  </Field>
);
