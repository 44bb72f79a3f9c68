import { type ComponentProps, useId } from 'react';
import styles from './choices.module.css';
import { Field } from './field.tsx';

export interface Choice {
  value: string;
  label: string;
  hint?: string;
}

interface SelectFieldProps extends ComponentProps<'select'> {
  label: string;
  hint?: string;
  error?: string | undefined;
  choices: readonly Choice[];
}

/** One of a few. */
export const SelectField = ({ label, hint, error, choices, ...select }: SelectFieldProps) => (
  <Field label={label} hint={hint} error={error}>
    {(control) => (
      <select {...select} {...control}>
        {choices.map(({ value, label: words }) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    )}
  </Field>
);

interface CheckboxesProps {
  label: string;
  name: string;
  choices: readonly Choice[];
  /** Their values. */
  defaultChecked: readonly string[];
}

/** Any of a few, each with a line that says what it means. */
export const Checkboxes = ({ label, name, choices, defaultChecked }: CheckboxesProps) => (
  <fieldset className={styles.group}>
    <legend className={styles.legend}>{label}</legend>
    {choices.map(({ value, label: words, hint }) => (
      <Checkbox
        key={value}
        name={name}
        value={value}
        label={words}
        {...(hint && { hint })}
        defaultChecked={defaultChecked.includes(value)}
      />
    ))}
  </fieldset>
);

/** Yes or no. */
export const Checkbox = ({ label, hint, ...input }: ComponentProps<'input'> & { label: string; hint?: string }) => {
  const id = useId();
  return (
    <div className={styles.choice}>
      <input type="checkbox" {...input} id={id} aria-describedby={hint && `${id}-hint`} />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <div id={`${id}-hint`} className={styles.hint}>
            {hint}
          </div>
        )}
      </div>
    </div>
  );
};
