import { z } from 'zod';
import { type BackoffInput, BackoffSchema, encodeBackoff, isEncodedBackoff } from './backoff.ts';

/** Of a task that does not say, and whose type does not either. */
export const DEFAULT_MAX_ATTEMPTS = 3;

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

export const MaxAttemptsSchema = z.number().int().min(1).max(100);
export const TimeoutMsSchema = z.number().int().min(1).max(WEEK_MS);

/** What tasks of a type get where their submission does not say. */
export interface TypeDefaults {
  /** Only where the submission says null: the API's schema has a default of its own. */
  maxAttempts?: number;
  timeoutMs?: number;
  /** As `encodeBackoff` writes it. */
  backoff?: string;
}

/** What a worker's author writes of them. */
export interface TypeDefaultsInput {
  maxAttempts?: number | undefined;
  timeoutMs?: number | undefined;
  backoff?: BackoffInput | undefined;
}

const InputSchema = z.object({
  maxAttempts: MaxAttemptsSchema.optional(),
  timeoutMs: TimeoutMsSchema.optional(),
  backoff: BackoffSchema.optional(),
});

/**
 * As workers announce them with each heartbeat: JSON text of an object with what is given.
 *
 * @throws ZodError for numbers that no task could have
 */
export const encodeTypeDefaults = (input: TypeDefaultsInput): string => {
  const { backoff, ...rest } = InputSchema.parse(input);
  return JSON.stringify({ ...rest, ...(backoff ? { backoff: encodeBackoff(backoff) } : {}) });
};

// Workers of any language wrote it: what no task could have is left out, and the rest still counts.
const AnnouncedSchema = z.object({
  maxAttempts: MaxAttemptsSchema.optional().catch(undefined),
  timeoutMs: TimeoutMsSchema.optional().catch(undefined),
  backoff: z.string().refine(isEncodedBackoff).optional().catch(undefined),
});

/** Reads what a worker announced. Faulty parts are left out. */
export const parseTypeDefaults = (text: string): TypeDefaults => {
  try {
    const { maxAttempts, timeoutMs, backoff } = AnnouncedSchema.parse(JSON.parse(text));
    return {
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(backoff === undefined ? {} : { backoff }),
    };
  } catch {
    return {};
  }
};
