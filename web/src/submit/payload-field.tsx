import type { RJSFSchema } from '@rjsf/utils';
import { lazy, type Ref, Suspense, useImperativeHandle, useRef, useState } from 'react';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Loading } from '../ui/states.tsx';
import type { PayloadReader } from './payload-form.tsx';
import styles from './submit-page.module.css';

const PayloadForm = lazy(() => import('./payload-form.tsx'));

interface PayloadFieldProps {
  /** Null where any payload will do. */
  schema: unknown;
  initial: unknown;
  ref: Ref<PayloadReader>;
}

/** What a handler is given: a form where its type says what it takes, and as JSON in any case. */
export const PayloadField = ({ schema, initial, ref }: PayloadFieldProps) => {
  const hasForm = isForForms(schema);
  const [mode, setMode] = useState<'form' | 'json'>(hasForm ? 'form' : 'json');
  const [start, setStart] = useState(initial);
  const reader = useRef<PayloadReader>(null);
  useImperativeHandle(ref, () => ({ read: () => reader.current?.read() }));
  const change = (): void => {
    const read = reader.current?.read();
    // An incomplete form can be left; a text that is no JSON cannot become one.
    if (!read && mode === 'json') return;
    if (read) setStart(read.payload);
    setMode(mode === 'form' ? 'json' : 'form');
  };
  return (
    <div className={styles.payload}>
      <div className={styles.payloadHeader}>
        <h2>Payload</h2>
        {hasForm && (
          <Button kind="quiet" isSmall onClick={change}>
            {mode === 'form' ? 'Edit as JSON' : 'Edit in the form'}
          </Button>
        )}
      </div>
      {mode === 'form' && hasForm ? (
        <Suspense fallback={<Loading />}>
          <PayloadForm schema={schema} initial={start} ref={reader} />
        </Suspense>
      ) : (
        <JsonField initial={start} ref={reader} />
      )}
    </div>
  );
};

/** A schema whose form is worth more than its JSON: one that names what it takes. */
const isForForms = (schema: unknown): schema is RJSFSchema => {
  if (schema === null || typeof schema !== 'object') return false;
  return 'properties' in schema || 'oneOf' in schema || 'anyOf' in schema || 'allOf' in schema || '$ref' in schema;
};

const JsonField = ({ initial, ref }: { initial: unknown; ref: Ref<PayloadReader> }) => {
  const [text, setText] = useState(() => (initial === undefined ? '' : JSON.stringify(initial, null, 2)));
  const [error, setError] = useState<string>();
  const field = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(ref, () => ({
    read: () => {
      try {
        const payload: unknown = text.trim() === '' ? undefined : JSON.parse(text);
        setError(undefined);
        return { payload };
      } catch (fault) {
        setError(`This is no JSON: ${(fault as Error).message}`);
        field.current?.focus();
        return undefined;
      }
    },
  }));
  return (
    <Field label="As JSON" hint="Empty for none." {...(error === undefined ? {} : { error })}>
      {(control) => (
        <textarea
          {...control}
          ref={field}
          className={`${control.className} mono`}
          rows={10}
          spellCheck={false}
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      )}
    </Field>
  );
};
