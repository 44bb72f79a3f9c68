import { z } from 'zod';

/** A setting's form, unit and meaning; the README's table is made of the latter. */
export const setting = <T extends z.ZodType>(schema: T, unit: string, meaning: string): T =>
  schema.meta({ unit, description: meaning });

export const wholeNumber = (initial: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(initial);

export const wholeNumberOrNone = (min: number, max: number) => z.coerce.number().int().min(min).max(max).optional();

/** Values with commas between; none by default. */
export const list = (isGood: (value: string) => boolean, complaint: string) =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((value) => value.trim())
        .filter((value) => value !== ''),
    )
    .refine((values) => values.every(isGood), complaint);
