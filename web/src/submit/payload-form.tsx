// The package's index also brings its tests' parts, which need a validator that compiles code.
import Form from '@rjsf/core/lib/components/Form.js';
import type { RJSFSchema, RJSFValidationError } from '@rjsf/utils';
import { type Ref, useImperativeHandle, useRef } from 'react';
import { templates } from './form-templates.tsx';
import styles from './payload-form.module.css';
import { schemaValidator } from './schema-validator.ts';

/** How whoever shows a field reads it. */
export interface PayloadReader {
  /** @returns undefined when something is wrong, which is shown then */
  read(): { payload: unknown } | undefined;
}

interface PayloadFormProps {
  schema: RJSFSchema;
  initial: unknown;
  ref: Ref<PayloadReader>;
}

/** A form made of a JSON Schema. It is large: only what shows one loads it. */
export default function PayloadForm({ schema, initial, ref }: PayloadFormProps) {
  const form = useRef<Form>(null);
  useImperativeHandle(ref, () => ({
    read: () => {
      if (!form.current?.validateForm()) return undefined;
      return { payload: form.current.state.formData };
    },
  }));
  return (
    <Form
      ref={form}
      // A form in a form cannot be: the page's own has the button.
      tagName="div"
      className={styles.form ?? ''}
      idPrefix="payload"
      schema={withoutDialect(schema)}
      formData={initial}
      validator={schemaValidator}
      templates={templates}
      uiSchema={{ 'ui:submitButtonOptions': { norender: true } }}
      showErrorList={false}
      focusOnFirstError={focus}
      // They stand beside their fields; without this they go to the console.
      onError={() => {}}
      noHtml5Validate
    />
  );
}

/** The library's own way needs a <form>. ".items.0.sku" has the id "payload_items_0_sku". */
const focus = ({ property = '' }: RJSFValidationError): void =>
  document.getElementById(`payload${property.replaceAll('.', '_')}`)?.focus();

/** Names of other dialects than its own are no reason to refuse a schema. */
const withoutDialect = ({ $schema: _dialect, ...schema }: RJSFSchema): RJSFSchema => schema;
