import { isDeepStrictEqual } from 'node:util';
import { createSourceEventStream, type ExecutionResult, execute, type GraphQLError } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import type { OpenSession } from '../accounts/open-sessions.ts';
import type { Principal } from '../accounts/principal.ts';
import type { WriteResult } from '../graphql/compiled-results.ts';
import type { Context, Services } from '../graphql/context.ts';
import { type PausableSource, type SourceListener, toPausable } from '../realtime/pausable-source.ts';
import { toAnswer } from './http-extension.ts';
import type { OperationArgs } from './prepare-operation.ts';

/** The socket that a subscription belongs to. */
export interface SubscriptionOwner {
  /** Whose credentials close the socket when they no longer count. */
  readonly principal: Principal | undefined;
  readonly address: string;
  readonly services: Services;
  maskError(error: unknown): GraphQLError;
  /** Sends a result, as JSON text. @returns when the client can take the next one; undefined for at once */
  sendResult(id: string, text: string): Promise<void> | undefined;
  /** A subscription has ended by itself. @param error that cut it off; undefined when all was said */
  finish(subscription: PushedSubscription, error: GraphQLError | undefined): void;
}

/**
 * A subscription whose results are written by what was compiled for its operation: they go from their source to the socket
 * without an execution or a promise for each, but for those of which the compiled one is not sure. There may be thousands, so
 * it holds no more than it must.
 */
export class PushedSubscription implements SourceListener<unknown> {
  readonly id: string;
  readonly #owner: SubscriptionOwner;
  #args: OperationArgs | undefined;
  #write: WriteResult | undefined;
  #source: PausableSource<unknown> | undefined;
  /** Where it began with other credentials than the socket has: they have changed since. */
  #other: OpenSession | undefined;
  #hasEnded = false;
  #onEnd: (() => void) | undefined;

  constructor(owner: SubscriptionOwner, id: string) {
    this.#owner = owner;
    this.id = id;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Begins it. The schema says, as ever, who may, and what is wrong with its arguments.
   *
   * @param count called when it has begun; what it returns is called when it has ended
   * @returns the result of one that did not begin
   */
  async begin(
    args: OperationArgs,
    contextValue: Context,
    write: WriteResult,
    count?: () => (() => void) | undefined,
  ): Promise<ExecutionResult | undefined> {
    const source = await createSourceEventStream({ ...args, contextValue });
    if (!isAsyncIterable(source)) return this.#mask(source);
    const pausable = toPausable(source);
    if (this.#hasEnded) {
      await pausable.return();
      return undefined;
    }
    this.#args = args;
    this.#write = write;
    this.#source = pausable;
    this.#onEnd = count?.();
    this.#keepIfOther(contextValue.principal);
    pausable.listen(this);
    return undefined;
  }

  /** For the source. */
  receive(value: unknown): void {
    const text = this.#write?.(value);
    const sent = text === undefined ? this.#executeFor(value) : this.#owner.sendResult(this.id, text);
    if (!sent) return;
    this.#source?.pause();
    sent.then(
      () => {
        if (!this.#hasEnded) this.#source?.listen(this);
      },
      (error) => {
        void this.#source?.return();
        this.end(error);
      },
    );
  }

  /** For the source. */
  end(error: Error | undefined): void {
    if (this.#hasEnded) return;
    this.#close();
    this.#owner.finish(this, error && this.#owner.maskError(error));
  }

  /** Its client has left, or wants no more of it. */
  stop(): void {
    if (this.#hasEnded) return;
    this.#close();
    this.#source?.return().catch(() => undefined);
  }

  #keepIfOther(principal: Principal | undefined): void {
    const { principal: ofSocket, services } = this.#owner;
    if (!principal || isDeepStrictEqual(principal, ofSocket)) return;
    this.#other = { principal, expire: (reason) => this.#expire(reason) };
    services.sessions.add(this.#other);
  }

  /** Its last result is the error. */
  #expire(reason: Error): void {
    if (this.#hasEnded) return;
    void this.#owner.sendResult(this.id, textOf({ errors: [this.#owner.maskError(reason)] }));
    this.#source?.return().catch(() => undefined);
    this.end(undefined);
  }

  async #executeFor(rootValue: unknown): Promise<void> {
    const { principal, address, services } = this.#owner;
    const contextValue: Context = { services, address, principal: this.#other?.principal ?? principal };
    const result = await execute({ ...(this.#args as OperationArgs), contextValue, rootValue });
    if (!this.#hasEnded) await this.#owner.sendResult(this.id, textOf(this.#mask(result)));
  }

  #mask({ errors, ...rest }: ExecutionResult): ExecutionResult {
    return errors ? { errors: errors.map((error) => this.#owner.maskError(error)), ...rest } : rest;
  }

  #close(): void {
    this.#hasEnded = true;
    if (this.#other) this.#owner.services.sessions.delete(this.#other);
    this.#onEnd?.();
  }
}

const textOf = (result: ExecutionResult): string => JSON.stringify(toAnswer(result));
