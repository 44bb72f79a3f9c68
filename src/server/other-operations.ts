import type { ExecutionResult } from 'graphql';
import {
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  MessageType,
  makeServer,
  type Context as SocketState,
  stringifyMessage,
} from 'graphql-ws';
import { toAnswer, withoutHttp } from './http-extension.ts';
import type { PreparedOperation } from './prepare-operation.ts';

/** The socket that they belong to. */
export interface OperationsOwner {
  send(message: string): Promise<void>;
  /** Called with a fault of the server's. */
  fail(error: unknown): void;
}

export type OtherProtocol = ReturnType<typeof makeOtherProtocol>;
type Engine = PreparedOperation['engine'];

/** graphql-ws, for operations that are prepared already. */
export const makeOtherProtocol = () =>
  makeServer<Record<string, unknown>, OtherOperations>({
    connectionInitWaitTimeout: 0,
    onConnect: (state) => state.extra.connect(state),
    onSubscribe: ({ extra }, id) => extra.take(id),
    // Yoga's engine, with its caches and plugins, does the rest; it hangs on the operation it belongs to.
    execute: (args) => (args.rootValue as Engine).execute(args),
    subscribe: (args) => (args.rootValue as Engine).subscribe(args),
    onNext: (_state, _id, _payload, _args, result) => toAnswer(result as ExecutionResult),
    onError: (_state, _id, _payload, errors) => errors.map(withoutHttp),
  });

/** Operations of one socket, let in before, that graphql-ws runs: queries, mutations, and subscriptions that take executions. */
export class OtherOperations {
  readonly #owner: OperationsOwner;
  /** Those that graphql-ws has not taken over yet. */
  readonly #prepared = new Map<string, PreparedOperation>();
  readonly #ready: Promise<void>;
  readonly #closed: (code: number, reason: string) => Promise<void>;
  #subscriptions: Record<string, unknown> = {};
  #handle: (message: string) => Promise<void> = () => Promise.resolve();
  #isConnected = false;

  constructor(protocol: OtherProtocol, owner: OperationsOwner) {
    this.#owner = owner;
    const socket = {
      protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL,
      send: (message: string) => this.#send(message),
      close: (code: number, reason: string) => owner.fail(new Error(`graphql-ws closes with ${code}: ${reason}`)),
      onMessage: (handle: (message: string) => Promise<void>) => {
        this.#handle = handle;
      },
    };
    this.#closed = async (code, reason) => closed(code, reason);
    const closed = protocol.opened(socket, this);
    this.#ready = this.#handle(stringifyMessage({ type: MessageType.ConnectionInit }));
  }

  /** How many run. */
  get size(): number {
    return this.#prepared.size + Object.keys(this.#subscriptions).length;
  }

  has(id: string): boolean {
    return this.#prepared.has(id) || id in this.#subscriptions;
  }

  /** @param message that asked for it */
  run(id: string, operation: PreparedOperation, message: string): void {
    this.#prepared.set(id, operation);
    this.receive(message);
  }

  receive(message: string): void {
    this.#ready.then(() => this.#handle(message)).catch((error: unknown) => this.#owner.fail(error));
  }

  close(code: number, reason: string): Promise<void> {
    return this.#closed(code, reason);
  }

  /** For graphql-ws. */
  connect({ subscriptions }: SocketState<Record<string, unknown>, OtherOperations>): void {
    this.#subscriptions = subscriptions;
  }

  /** For graphql-ws. @returns what it executes */
  take(id: string) {
    const prepared = this.#prepared.get(id);
    if (!prepared) throw new Error(`the operation ${id} was not prepared`);
    this.#prepared.delete(id);
    const { args, contextValue, engine } = prepared;
    return { ...args, contextValue, rootValue: engine };
  }

  /** Its first message acknowledges what the client was acknowledged before. */
  async #send(message: string): Promise<void> {
    if (this.#isConnected) await this.#owner.send(message);
    this.#isConnected = true;
  }
}
