import { argon2id, hash, needsRehash, verify } from 'argon2';

/** What a hash costs: argon2id's parameters. */
export interface PasswordCosts {
  memoryKib: number;
  passes: number;
  parallelism: number;
}

/** Hashes and checks passwords with argon2id. */
export class Passwords {
  readonly #parameters: { memoryCost: number; timeCost: number; parallelism: number };
  #dummy: Promise<string> | undefined;

  constructor({ memoryKib, passes, parallelism }: PasswordCosts) {
    this.#parameters = { memoryCost: memoryKib, timeCost: passes, parallelism };
  }

  /** @returns the hash with its salt and parameters, in the PHC string format */
  hash(password: string): Promise<string> {
    return hash(password, { type: argon2id, ...this.#parameters });
  }

  /**
   * Checks a password. Without a hash it does the same work and says no, so that the time of an answer does not tell
   * whether an account exists.
   */
  async matches(passwordHash: string | undefined, password: string): Promise<boolean> {
    this.#dummy ??= this.hash('nobody has this password');
    const dummy = await this.#dummy;
    const matches = await verify(passwordHash ?? dummy, password);
    return matches && passwordHash !== undefined;
  }

  /** Was this hash made with other parameters than those of the settings? */
  isOutdated(passwordHash: string): boolean {
    return needsRehash(passwordHash, this.#parameters);
  }
}
