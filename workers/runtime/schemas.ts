import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { z } from 'zod';
import { DoNotRetryError } from './outcome.ts';

/** A schema of any library that implements Standard Schema: zod, valibot, arktype, … */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

const TARGET = 'draft-2020-12';
/** Faults that an error names. */
const MAX_ISSUES = 10;

/**
 * Checks a value.
 *
 * @param what how errors call it: "payload" or "result"
 * @returns the value as the schema puts it out; a promise of it where the schema checks asynchronously
 * @throws DoNotRetryError with the code, naming each field that is wrong
 */
export const check = (
  schema: Schema,
  value: unknown,
  what: 'payload' | 'result',
  code: string,
): unknown | Promise<unknown> => {
  const checked = schema['~standard'].validate(value);
  const outputOf = (result: StandardSchemaV1.Result<unknown>): unknown => {
    if (!result.issues) return result.value;
    throw new DoNotRetryError(`the ${what} does not fit: ${describe(result.issues)}`, { code });
  };
  return checked instanceof Promise ? checked.then(outputOf) : outputOf(checked);
};

const describe = (issues: readonly StandardSchemaV1.Issue[]): string => {
  const named = issues.slice(0, MAX_ISSUES).map(({ message, path }) => {
    const steps = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
    return steps.length > 0 ? `${message} at ${steps.join('.')}` : message;
  });
  return issues.length > MAX_ISSUES ? `${named.join('; ')}; …` : named.join('; ');
};

/**
 * The JSON Schema (draft 2020-12) of what a schema takes: defaults are optional there, and transforms have not happened.
 *
 * Zod 4 writes it itself, other libraries by Standard JSON Schema (`~standard.jsonSchema`; arktype does), valibot by its
 * package @valibot/to-json-schema where that is installed.
 *
 * @throws Error that says what to do, when the library cannot write it
 */
export const toJsonSchema = (schema: Schema): unknown => {
  // Zod's own function, unlike its Standard JSON Schema, lets pass what JSON Schema has no word for.
  if (isZod4(schema)) return z.toJSONSchema(schema, { target: TARGET, io: 'input', unrepresentable: 'any' });
  const { vendor } = schema['~standard'];
  const converter = schema['~standard'] as Partial<StandardJSONSchemaV1.Props>;
  if (converter.jsonSchema) return converter.jsonSchema.input({ target: TARGET });
  const valibot = vendor === 'valibot' ? loadValibotConverter() : undefined;
  if (valibot) return valibot.toJsonSchema(schema, { target: TARGET, typeMode: 'input', errorMode: 'ignore' });
  const hint = vendor === 'valibot' ? 'install @valibot/to-json-schema, or ' : '';
  throw new Error(
    `${vendor} does not write JSON Schema by itself: ${hint}say it as payloadJsonSchema (null: any payload)`,
  );
};

const isZod4 = (schema: Schema): schema is Schema & z.ZodType =>
  schema['~standard'].vendor === 'zod' && '_zod' in schema;

interface ValibotConverter {
  toJsonSchema(schema: unknown, options: Record<string, string>): unknown;
}

/** From where TaskFlow is, or from where the process was started. */
const loadValibotConverter = (): ValibotConverter | undefined => {
  for (const base of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(base)('@valibot/to-json-schema') as ValibotConverter;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
};
