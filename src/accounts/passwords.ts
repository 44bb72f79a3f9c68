import { argon2id, hash, verify } from 'argon2';

/** OWASP's recommendation for argon2id: 19 MiB, two passes. About 20 ms on one core. */
const PARAMETERS = { type: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** @returns the hash with its salt and parameters, in the PHC string format */
export const hashPassword = (password: string): Promise<string> => hash(password, PARAMETERS);

let dummyHash: Promise<string> | undefined;

/**
 * Checks a password. Without a hash it does the same work and says no, so that the time of an answer does not tell
 * whether an account exists.
 */
export const isPassword = async (passwordHash: string | undefined, password: string): Promise<boolean> => {
  dummyHash ??= hashPassword('nobody has this password');
  const dummy = await dummyHash;
  const matches = await verify(passwordHash ?? dummy, password);
  return matches && passwordHash !== undefined;
};
