import { z } from 'zod';
import { newId } from '../ids.ts';
import type { AccountServices } from './account-services.ts';
import { insertUser } from './account-store.ts';
import type { Client } from './audit.ts';
import { openSession, type Session } from './open-session.ts';

export const PASSWORD_LENGTH = { min: 8, max: 200 } as const;
const MAX_EMAIL_LENGTH = 254;

export const PasswordSchema = z
  .string()
  .min(PASSWORD_LENGTH.min, `must have at least ${PASSWORD_LENGTH.min} characters`)
  .max(PASSWORD_LENGTH.max, `must have at most ${PASSWORD_LENGTH.max} characters`);

/** Emails and usernames compare without case: they become lower case here. */
export const SignUpSchema = z.object({
  email: z.string().trim().toLowerCase().max(MAX_EMAIL_LENGTH).pipe(z.email('must be an email address')),
  username: z
    .string()
    .trim()
    .toLowerCase()
    .regex(
      /^[a-z0-9][a-z0-9_.-]{2,31}$/,
      'must have 3 to 32 letters, digits, "_", "." or "-", and begin with a letter or digit',
    ),
  password: PasswordSchema,
});

export type SignUpInput = z.output<typeof SignUpSchema>;

/**
 * Makes an account and logs it in. The first one of an installation is an admin's.
 *
 * @param input as it comes out of `SignUpSchema`
 * @throws TaskFlowError CONFLICT when the email or the username is taken
 */
export const signUp = async (
  services: AccountServices,
  { email, username, password }: SignUpInput,
  client: Client,
): Promise<Session> => {
  const passwordHash = await services.passwords.hash(password);
  const user = await insertUser(services.database, { id: newId(), email, username, passwordHash }, client.address);
  return openSession(services, user, client);
};
