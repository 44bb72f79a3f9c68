import { type Schema, Validator } from '@cfworker/json-schema';
import {
  type ErrorSchema,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorSchema,
  type ValidationData,
  type ValidatorType,
} from '@rjsf/utils';

/** Errors of what only holds others say nothing that these do not say. */
const CONTAINERS = new Set(['properties', 'items', 'additionalProperties', '$ref', 'allOf', 'anyOf', 'oneOf', 'if']);

const validate = (schema: RJSFSchema, data: unknown) =>
  new Validator(schema as Schema, '2020-12', false).validate(data === undefined ? {} : data).errors;

/** "#/items/0/sku" is ".items.0.sku" for the form. */
const toProperty = (location: string): string => location.slice(1).replaceAll('/', '.');

const toError = ({
  instanceLocation,
  keyword,
  error,
}: {
  instanceLocation: string;
  keyword: string;
  error: string;
}) => {
  const missing = keyword === 'required' ? /property "(.+?)"/.exec(error)?.[1] : undefined;
  const property = toProperty(instanceLocation) + (missing === undefined ? '' : `.${missing}`);
  const message = missing === undefined ? error : 'This is needed.';
  return { name: keyword, property, message, stack: `${property} ${message}` } satisfies RJSFValidationError;
};

const errorsOf = (schema: RJSFSchema, data: unknown): RJSFValidationError[] => {
  const errors = validate(schema, data);
  const telling = errors.filter(({ keyword }) => !CONTAINERS.has(keyword));
  return (telling.length > 0 ? telling : errors).map(toError);
};

/**
 * Checks payloads for the form. The one that the form's library comes with compiles schemas to code, which the policy of
 * the page forbids; the API checks again in any case.
 */
export const schemaValidator: ValidatorType = {
  isValid: (schema, data, rootSchema) => {
    try {
      // References point into the whole schema.
      return validate({ ...(rootSchema as RJSFSchema), ...schema }, data).length === 0;
    } catch {
      return false;
    }
  },
  validateFormData: (data, schema): ValidationData<unknown> => {
    const errors = errorsOf(schema, data);
    return { errors, errorSchema: toErrorSchema(errors) as ErrorSchema<unknown> };
  },
  rawValidation: (schema, data) => ({ errors: errorsOf(schema, data) as never[] }),
};
