import type { Shard } from '../../src/broker/lanes.ts';
import { WakeListener } from '../../src/broker/wake-listener.ts';
import { Backoff } from './backoff.ts';

export interface ShardSourceOptions {
  shard: Shard;
  /** Lists on which a token says that the shard has work. */
  wakeKeys: readonly string[];
  /** Told whenever the shard came to have work, or is worth another try. */
  onWork: (cause: 'woken' | 'retry') => void;
}

/** One shard as a claimer sees it: asleep in a blocking read, known to have work, being claimed from, or out of order. */
export class ShardSource {
  readonly shard: Shard;
  readonly #onWork: ShardSourceOptions['onWork'];
  readonly #listener: WakeListener;
  readonly #backoff = new Backoff();
  #state: 'asleep' | 'has-work' | 'claiming' | 'backing-off' = 'has-work';
  /** A token came while a claim was on its way: the claim may have been served before the token's tasks arrived. */
  #isWokenAgain = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor({ shard, wakeKeys, onWork }: ShardSourceOptions) {
    this.shard = shard;
    this.#onWork = onWork;
    this.#listener = new WakeListener({ shard, keys: () => wakeKeys, onWake: () => this.#wake() });
  }

  get hasWork(): boolean {
    return this.#state === 'has-work';
  }

  /** A claim is on its way and likely to be answered at once. Not so after one that failed. */
  get isAnsweringSoon(): boolean {
    return this.#state === 'claiming' && this.#backoff.failures === 0;
  }

  get hasFailed(): boolean {
    return this.#backoff.failures > 0;
  }

  beginClaim(): void {
    this.#state = 'claiming';
    this.#isWokenAgain = false;
  }

  /** @param isMoreLikely the claim returned as many as it asked for */
  endClaim(isMoreLikely: boolean): void {
    this.#backoff.reset();
    const hasWork = isMoreLikely || this.#isWokenAgain;
    this.#state = hasWork ? 'has-work' : 'asleep';
    if (!hasWork) this.#listener.listen();
  }

  failClaim(): void {
    this.#state = 'backing-off';
    this.#retryTimer = setTimeout(() => {
      this.#state = 'has-work';
      this.#onWork('retry');
    }, this.#backoff.next());
  }

  async close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    await this.#listener.close();
  }

  #wake(): void {
    if (this.#state === 'claiming') this.#isWokenAgain = true;
    if (this.#state !== 'asleep') return;
    this.#state = 'has-work';
    this.#onWork('woken');
  }
}
