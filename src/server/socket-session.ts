import type { GraphQLError } from 'graphql';
import { CloseCode, MessageType, parseMessage, type SubscribeMessage, stringifyMessage } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Credentials } from '../accounts/authenticate.ts';
import type { Principal } from '../accounts/principal.ts';
import { TaskFlowError } from '../errors.ts';
import type { CompiledResults } from '../graphql/compiled-results.ts';
import type { Services } from '../graphql/context.ts';
import { identify } from './admission.ts';
import { credentialsOfParams } from './credentials.ts';
import { toAnswer, withoutHttp } from './http-extension.ts';
import { codeOf, describeOperation } from './measure-operations.ts';
import type { OpenSockets } from './open-sockets.ts';
import { OtherOperations, type OtherProtocol } from './other-operations.ts';
import { type PreparedOperation, prepareOperation, type SocketClient } from './prepare-operation.ts';
import { PushedSubscription, type SubscriptionOwner } from './pushed-subscription.ts';
import type { Front } from './routes.ts';
import type { WaitingSockets } from './waiting-sockets.ts';

/** What the sockets of a server share. */
export interface SocketHost {
  front: Front;
  compiled: CompiledResults;
  others: OtherProtocol;
  sockets: OpenSockets;
  waiting: WaitingSockets;
  /** Operations that may run on one socket at once. */
  maxSubscriptions: number;
  /** Told why the credentials of a socket could not be checked: in an outage, over and over. */
  reportFailure: (error: unknown) => void;
}

/** Close codes beside those of the protocol; docs/errors.md lists them. */
export const CLOSE_CODES = { SLOW_CONSUMER: 4413, RESTARTING: 1012, TRY_AGAIN_LATER: 1013 } as const;

/** A client that does not read: this many bytes may wait in its socket before it is cut off. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** With so many bytes waiting in a socket, its subscriptions wait until they are gone. */
const BUSY_BYTES = 64 * 1024;
const ACKNOWLEDGEMENT = stringifyMessage({ type: MessageType.ConnectionAck });
/** Shared by all sockets that run none. */
const NONE: PushedSubscription[] = [];

/**
 * One socket, as graphql-transport-ws says. It runs compiled subscriptions itself, and keeps no more for each than it must:
 * there may be thousands. All other operations are graphql-ws's.
 */
export class SocketSession implements SubscriptionOwner {
  readonly socket: WebSocket;
  readonly #client: SocketClient;
  readonly #host: SocketHost;
  readonly #group: number;
  principal: Principal | undefined;
  /** Did it answer since it was last asked whether it lives? */
  isAlive = true;
  #credentials: Credentials | undefined;
  #isOpen = false;
  #running = NONE;
  #others: OtherOperations | undefined;

  constructor(host: SocketHost, socket: WebSocket, client: SocketClient) {
    this.#host = host;
    this.socket = socket;
    this.#client = client;
    this.#group = host.sockets.add(this);
    host.waiting.add(socket);
  }

  get address(): string {
    return this.#client.address;
  }

  get services(): Services {
    return this.#host.front.services;
  }

  maskError(error: unknown): GraphQLError {
    return this.#host.front.maskError(error);
  }

  async receive(text: string): Promise<void> {
    // What comes after the decision to close it is for nobody.
    if (this.socket.readyState !== this.socket.OPEN) return;
    const message = parsed(text);
    switch (message?.type) {
      case MessageType.ConnectionInit:
        return this.#begin(message.payload);
      case MessageType.Subscribe:
        return this.#subscribe(message, text);
      case MessageType.Complete:
        return this.#complete(message.id, text);
      case MessageType.Ping:
        return this.send(stringifyMessage({ ...message, type: MessageType.Pong }));
      case MessageType.Pong:
        return;
      default:
        this.socket.close(CloseCode.BadRequest, 'Invalid message received');
    }
  }

  /** Asks whether it lives. One that has not answered since the last time is dropped. */
  check(): void {
    if (!this.isAlive) {
      this.socket.terminate();
      return;
    }
    this.isAlive = false;
    this.socket.ping();
  }

  /** Its credentials no longer count. */
  expire({ message }: Error): void {
    this.socket.close(CloseCode.Unauthorized, message);
  }

  /** The socket is closed. */
  async close(code: number, reason: string): Promise<void> {
    this.#host.sockets.delete(this, this.#group);
    this.#host.waiting.delete(this.socket);
    if (this.principal) this.services.sessions.delete(this as OpenSocketSession);
    for (const each of this.#running) each.stop();
    this.#running = NONE;
    await this.#others?.close(code, reason);
  }

  /** Settles when the system took the message over: a subscription that waits for it goes at the pace of its client. */
  send(message: string): Promise<void> {
    const socket = this.socket;
    return new Promise((resolve, reject) => {
      if (socket.readyState !== socket.OPEN) return resolve();
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        socket.close(CLOSE_CODES.SLOW_CONSUMER, 'Slow consumer');
        return resolve();
      }
      // A socket that breaks while it sends is closed anyway.
      socket.send(message, (error) => (error && socket.readyState === socket.OPEN ? reject(error) : resolve()));
    });
  }

  sendResult(id: string, result: string): Promise<void> | undefined {
    const message = `{"id":${JSON.stringify(id)},"type":"next","payload":${result}}`;
    const socket = this.socket;
    if (socket.bufferedAmount > BUSY_BYTES) return this.send(message);
    if (socket.readyState === socket.OPEN) socket.send(message);
    return undefined;
  }

  finish(subscription: PushedSubscription, error: GraphQLError | undefined): void {
    this.#forget(subscription);
    const { id } = subscription;
    const last = error
      ? ({ id, type: MessageType.Error, payload: [withoutHttp(error)] } as const)
      : ({ id, type: MessageType.Complete } as const);
    this.#sendSoon(stringifyMessage(last));
  }

  /** The server's, not the client's. */
  fail(error: unknown): void {
    this.services.logger.error({ err: error }, 'a socket met a fault');
    this.socket.close(CloseCode.InternalServerError, 'Internal error');
  }

  #sendSoon(message: string): void {
    this.send(message).catch((error: unknown) => this.fail(error));
  }

  async #begin(params: Readonly<Record<string, unknown>> | undefined): Promise<void> {
    if (this.#credentials) {
      this.socket.close(CloseCode.TooManyInitialisationRequests, 'Too many initialisation requests');
      return;
    }
    this.#credentials = credentialsOfParams(params);
    this.#host.waiting.delete(this.socket);
    await this.#letIn(this.#credentials);
    this.#isOpen = true;
    await this.send(ACKNOWLEDGEMENT);
  }

  /** Those without credentials are let in: fields say what they need. Others are closed when their credentials end. */
  async #letIn(credentials: Credentials): Promise<void> {
    const socket = this.socket;
    try {
      const principal = await identify(this.services, credentials, this.address);
      if (!principal || socket.readyState !== socket.OPEN) return;
      this.principal = principal;
      this.services.sessions.add(this as OpenSocketSession);
    } catch (error) {
      if (error instanceof TaskFlowError) {
        const code = error.code === 'RATE_LIMITED' ? CLOSE_CODES.TRY_AGAIN_LATER : CloseCode.Unauthorized;
        socket.close(code, error.message);
      } else {
        this.#host.reportFailure(error);
        socket.close(CLOSE_CODES.TRY_AGAIN_LATER, 'Try again later');
      }
    }
  }

  async #subscribe({ id, payload }: SubscribeMessage, text: string): Promise<void> {
    if (!this.#isOpen || !this.#credentials) {
      this.socket.close(CloseCode.Unauthorized, 'Unauthorized');
      return;
    }
    if (this.#find(id) || this.#others?.has(id)) {
      this.socket.close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
      return;
    }
    const subscription = new PushedSubscription(this, id);
    this.#running = [...this.#running, subscription];
    const { front, maxSubscriptions } = this.#host;
    try {
      if (this.#running.length + (this.#others?.size ?? 0) > maxSubscriptions) throw tooMany(maxSubscriptions);
      const prepared = await prepareOperation(front, this.#credentials, this.#client, payload);
      if ('engine' in prepared) await this.#run(subscription, prepared, text);
      else this.#refuse(subscription, prepared);
    } catch (error) {
      this.#refuse(subscription, [this.maskError(error)]);
    }
  }

  async #run(subscription: PushedSubscription, prepared: PreparedOperation, text: string): Promise<void> {
    const { front, compiled, others } = this.#host;
    const { args, contextValue } = prepared;
    const write = compiled.writerOf(args);
    if (!write) {
      this.#forget(subscription);
      if (subscription.hasEnded) return;
      this.#others ??= new OtherOperations(others, this);
      this.#others.run(subscription.id, prepared, text);
      return;
    }
    const operation = describeOperation(args.document, args.operationName);
    const count = front.metrics && (() => front.metrics?.subscribed(operation));
    const refusal = await subscription.begin(args, contextValue, write, count);
    if (!refusal) return;
    front.metrics?.refused(codeOf(refusal), operation);
    if (subscription.hasEnded) return;
    void this.sendResult(subscription.id, JSON.stringify(toAnswer(refusal)));
    subscription.end(undefined);
  }

  #refuse(subscription: PushedSubscription, errors: readonly GraphQLError[]): void {
    this.#host.front.metrics?.refused(codeOf({ errors }));
    this.#forget(subscription);
    if (subscription.hasEnded) return;
    const { id } = subscription;
    this.#sendSoon(stringifyMessage({ id, type: MessageType.Error, payload: errors.map(withoutHttp) }));
  }

  #complete(id: string, text: string): void {
    const subscription = this.#find(id);
    if (subscription) {
      this.#forget(subscription);
      subscription.stop();
    } else {
      this.#others?.receive(text);
    }
  }

  #find(id: string): PushedSubscription | undefined {
    return this.#running.find((each) => each.id === id);
  }

  #forget(subscription: PushedSubscription): void {
    const rest = this.#running.filter((each) => each !== subscription);
    this.#running = rest.length === 0 ? NONE : rest;
  }
}

type OpenSocketSession = SocketSession & { principal: Principal };

/** @returns undefined for what is no message of the protocol */
const parsed = (text: string): ReturnType<typeof parseMessage> | undefined => {
  try {
    return parseMessage(text);
  } catch {
    return undefined;
  }
};

const tooMany = (limit: number): TaskFlowError =>
  new TaskFlowError('RATE_LIMITED', `At most ${limit} operations run on a socket at once; end one first.`, { limit });
