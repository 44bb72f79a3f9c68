import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { controlChannel } from '../../src/broker/keys.ts';
import type { Lane } from '../../src/broker/lanes.ts';
import { CancelRequestedError } from './attempt.ts';
import type { Slots } from './slots.ts';

export interface ControlListenerOptions {
  lane: Lane;
  workerId: string;
  slots: Slots;
  /** Called when messages may have been missed: the broker is to be asked instead. */
  onGap: () => void;
  logger: Logger;
}

/** Hears at once, on a connection of its own, which of this worker's tasks are to stop. */
export class ControlListener {
  readonly #options: ControlListenerOptions;
  readonly #connection: Redis;

  constructor(options: ControlListenerOptions) {
    const { lane, logger } = options;
    this.#options = options;
    this.#connection = lane.connect();
    const shards = new Map(lane.shards.map((shard) => [controlChannel(shard.tag), shard]));
    this.#connection.on('message', (channel: string, message: string) => {
      const shard = shards.get(channel);
      if (shard) this.#hear(message, (id) => options.slots.of(shard).get(id));
    });
    let wasReady = false;
    this.#connection.on('ready', () => {
      if (wasReady) options.onGap();
      wasReady = true;
    });
    this.#connection
      .subscribe(...shards.keys())
      .catch((err) => logger.debug({ err, lane: lane.name }, 'the control channel was closed'));
  }

  close(): void {
    this.#connection.disconnect();
  }

  #hear(message: string, attemptOf: (id: string) => ReturnType<ReturnType<Slots['of']>['get']>): void {
    const [workerId, id, token, reason] = message.split('\t') as [string, string, string, string];
    if (workerId !== this.#options.workerId) return;
    const attempt = attemptOf(id);
    if (attempt?.claim.token !== token) return;
    this.#options.logger.info(
      { taskId: id, attempt: attempt.claim.attempt },
      'the task was cancelled: its handler is told to stop',
    );
    attempt.abort(new CancelRequestedError(reason));
  }
}
