import { createHash } from 'node:crypto';
import { TaskFlowError } from '../errors.ts';
import { addressGroup } from './address-group.ts';
import { type Count, Limiter, type LimiterStore } from './limiter.ts';
import { Turns } from './turns.ts';

export interface LockoutOptions {
  /** How many wrong passwords lock an account or an address. */
  maxFailedAttempts: number;
  /** How long they do, and after how long a wrong password is forgotten. */
  seconds: number;
}

/** Whose password is tried, and where from. */
export interface Attempt {
  /** The account's id; where there is none, what was given for it, so that nobody sees the difference. */
  account: string;
  address: string;
}

/** Keeps those who guess passwords away. */
export class Lockout {
  readonly #accounts: Limiter;
  readonly #addresses: Limiter;
  readonly #turns = new Turns();

  constructor(store: LimiterStore, { maxFailedAttempts, seconds }: LockoutOptions) {
    this.#accounts = new Limiter(store, { name: 'account', limit: maxFailedAttempts, seconds });
    this.#addresses = new Limiter(store, { name: 'login', limit: maxFailedAttempts, seconds });
  }

  /**
   * Runs a check of a password, unless there were too many wrong ones. It counts as wrong before it runs, on all nodes, and
   * is given back when it was right: however many are tried at once, no more than `maxFailedAttempts` are looked at. On one
   * node they take turns, so that many right ones at once do not look like an attack.
   *
   * @returns what the check says
   * @throws TaskFlowError RATE_LIMITED while the account or the address is locked
   */
  attempt({ account, address }: Attempt, check: () => Promise<boolean>): Promise<boolean> {
    const keys = { account: hashOf(account), address: addressGroup(address) };
    return this.#turns.take(`address ${keys.address}`, () =>
      this.#turns.take(`account ${keys.account}`, () => this.#attempt(keys, check)),
    );
  }

  async #attempt(keys: Attempt, check: () => Promise<boolean>): Promise<boolean> {
    const ofAddress = reserved(await this.#addresses.count(keys.address));
    const ofAccount = await this.#accounts.count(keys.account);
    if (ofAccount.isExceeded) await this.#addresses.giveBack(keys.address);
    reserved(ofAccount);
    try {
      const isRight = await check();
      if (isRight) await this.#forgive(keys);
      else await this.#lockAtLimit(keys, ofAddress, ofAccount);
      return isRight;
    } catch (error) {
      await Promise.all([this.#addresses.giveBack(keys.address), this.#accounts.giveBack(keys.account)]);
      throw error;
    }
  }

  async #forgive({ account, address }: Attempt): Promise<void> {
    await Promise.all([this.#accounts.clear(account), this.#addresses.giveBack(address)]);
  }

  /** The lock lasts from the last wrong password on, not from the first. */
  async #lockAtLimit({ account, address }: Attempt, ofAddress: Count, ofAccount: Count): Promise<void> {
    if (ofAddress.used >= this.#addresses.limit) await this.#addresses.lock(address);
    if (ofAccount.used >= this.#accounts.limit) await this.#accounts.lock(account);
  }
}

/** Keys hold no names, and are short whatever was typed. */
const hashOf = (account: string): string => createHash('sha256').update(account).digest('base64url');

/** @throws TaskFlowError RATE_LIMITED when it is one too many */
const reserved = (count: Count): Count => {
  if (!count.isExceeded) return count;
  const retryAfter = Math.max(1, Math.ceil(count.resetMs / 1_000));
  throw new TaskFlowError('RATE_LIMITED', `Too many wrong passwords; try again in ${retryAfter} s.`, { retryAfter });
};
