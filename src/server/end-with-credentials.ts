import { type ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { OpenSession, OpenSessions } from '../accounts/open-sessions.ts';
import type { Principal } from '../accounts/principal.ts';
import type { Context } from '../graphql/context.ts';

/**
 * Ends running subscriptions, over sockets and Server-Sent Events, when the credentials they began with expire or are
 * revoked: their last result is the error.
 */
export const endWithCredentials = (sessions: OpenSessions): Plugin<Context> => ({
  onSubscribe: ({ args }) => {
    const { principal } = args.contextValue as Context;
    if (!principal) return {};
    return {
      onSubscribeResult: ({ result, setResult }) => {
        if (isAsyncIterable(result)) setResult(new EndableResults(result[Symbol.asyncIterator](), sessions, principal));
      },
    };
  },
});

/** Results of a subscription that can be ended from outside, also while it waits for the next one. */
class EndableResults implements OpenSession, AsyncIterableIterator<ExecutionResult> {
  readonly principal: Principal;
  readonly #source: AsyncIterator<ExecutionResult>;
  readonly #sessions: OpenSessions;
  #last: ExecutionResult | undefined;
  #wake: ((result: IteratorResult<ExecutionResult>) => void) | undefined;
  #isEnded = false;

  constructor(source: AsyncIterator<ExecutionResult>, sessions: OpenSessions, principal: Principal) {
    this.principal = principal;
    this.#source = source;
    this.#sessions = sessions;
    sessions.add(this);
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    if (this.#isEnded) return this.#takeLast();
    try {
      const result = await new Promise<IteratorResult<ExecutionResult>>((resolve, reject) => {
        const settle = (settled: IteratorResult<ExecutionResult>): void => {
          this.#wake = undefined;
          resolve(settled);
        };
        this.#wake = settle;
        this.#source.next().then(settle, reject);
      });
      if (result.done) this.#sessions.delete(this);
      return result;
    } catch (error) {
      this.#sessions.delete(this);
      throw error;
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.#isEnded = true;
    this.#sessions.delete(this);
    await this.#source.return?.();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  expire(reason: Error): void {
    this.#isEnded = true;
    this.#last = { errors: [new GraphQLError(reason.message, { originalError: reason })] };
    // Whoever waits is told now; what the source says later is for nobody.
    this.#wake?.(this.#takeLast());
    this.#source.return?.().catch(() => undefined);
  }

  #takeLast(): IteratorResult<ExecutionResult> {
    const value = this.#last;
    this.#last = undefined;
    return value ? { value, done: false } : { value: undefined, done: true };
  }
}
