import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type DocumentNode, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import { LRUCache } from 'lru-cache';
import { CompiledMutations, type ResolvedMutation } from '../graphql/compiled-mutations.ts';
import type { Services } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import type { GraphQLMetrics } from '../metrics/graphql-metrics.ts';
import { NO_ERROR } from '../metrics/labels.ts';
import { getTracing } from '../tracing/tracing.ts';
import { type Admitted, admit, rateLimitHeaders } from './admission.ts';
import { credentialsOfHeaders } from './credentials.ts';
import { GRAPHQL_PATH, type GraphQLServer, type OperationContext } from './graphql-server.ts';
import { httpOf, toAnswer } from './http-extension.ts';
import { codeOf, describeOperation } from './measure-operations.ts';

/** What answers plain POSTs. */
export interface PlainFront {
  yoga: GraphQLServer;
  services: Services;
  maskError: (error: unknown) => GraphQLError;
  /** Undefined where nobody asks for them. */
  metrics?: GraphQLMetrics | undefined;
}

/** What a client sends with an ordinary operation. */
interface PlainParams {
  query: string;
  variables: Record<string, unknown> | undefined;
  operationName: string | undefined;
}

const OK = 200;
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };
const JSON_TYPE = /^application\/json *(; *charset="?utf-?8"?)? *$/i;
/** Media types of answers that only Yoga writes: events, parts, and JSON with other status codes. */
const OTHER_ANSWERS = /event-stream|multipart|graphql-response/i;
/** Documents of mutations that are kept ready, and how long they may be. */
const MAX_READY = 1_000;
const MAX_READY_LENGTH = 10_000;
const JSON_ANSWER = /\*\/\*|application\/(json|\*)/i;

/**
 * Can `answerPlainPost` take this request? It is a POST of JSON of a known size that wants JSON back; everything else is
 * Yoga's.
 */
export const isPlainPost = ({ method, url, headers }: IncomingMessage, maxBytes: number): boolean =>
  method === 'POST' &&
  url === GRAPHQL_PATH &&
  JSON_TYPE.test(headers['content-type'] ?? '') &&
  headers['content-encoding'] === undefined &&
  Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) <= maxBytes &&
  (headers.accept === undefined || (JSON_ANSWER.test(headers.accept) && !OTHER_ANSWERS.test(headers.accept)));

/** Answers a plain POST. @param address the client's */
export type AnswerPlainPost = (request: IncomingMessage, response: ServerResponse, address: string) => Promise<void>;

/**
 * Answers plain POSTs with Yoga's engine (its plugins, caches and error masking), but without the Request, Response and
 * streams of its HTTP path, which take more than half of the time of a small operation. A mutation that came before, and has one
 * field, runs compiled. A body that turns out to be unusual is handed on to Yoga.
 */
export const createPlainPosts = ({ yoga, services, maskError, metrics }: PlainFront): AnswerPlainPost => {
  const mutations = new ReadyMutations(services, metrics);
  return async (request, response, address) => {
    const credentials = credentialsOfHeaders(toGetter(request.headers));
    const [body, admitted] = await Promise.all([
      readBody(request),
      admit(services, credentials, address).catch(maskError),
    ]);
    if (admitted instanceof GraphQLError) {
      const refusal = { errors: [admitted] };
      metrics?.refused(codeOf(refusal));
      return send(response, refusal);
    }
    const params = parseParams(body);
    const context = { admitted, address, userAgent: request.headers['user-agent'] };
    const resolved = params && (await mutations.run(params, context));
    if (typeof resolved === 'string') return sendText(response, OK, resolved, headersOf(admitted));
    const execute = params && (await prepare(yoga, context, params, mutations, resolved));
    if (!execute) return answerByYoga(yoga, context, request.headers, body, response);
    send(response, await execute(), admitted);
  };
};

const send = (response: ServerResponse, result: ExecutionResult, admitted?: Admitted): void => {
  const headers = headersOf(admitted);
  for (const error of result.errors ?? []) Object.assign(headers, httpOf(error).headers);
  sendText(response, statusOf(result), JSON.stringify(toAnswer(result)), headers);
};

const headersOf = (admitted: Admitted | undefined): OutgoingHttpHeaders =>
  admitted?.rateLimit ? { ...JSON_HEADERS, ...rateLimitHeaders(admitted.rateLimit) } : { ...JSON_HEADERS };

const sendText = (response: ServerResponse, status: number, text: string, headers: OutgoingHttpHeaders): void => {
  headers['content-length'] = Buffer.byteLength(text);
  response.writeHead(status, headers);
  response.end(text);
};

/** By events: an async iterator would cost as much as parsing a small body. */
const readBody = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', reject);
  });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns undefined for a body that has anything unusual about it */
const parseParams = (body: Buffer): PlainParams | undefined => {
  let params: unknown;
  try {
    params = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(params)) return undefined;
  const { query, variables = undefined, operationName = undefined, ...unusual } = params;
  const isUsual = Object.keys(unusual).length === 0 && typeof query === 'string';
  if (!isUsual || !(isObject(variables ?? {}) && typeof (operationName ?? '') === 'string')) return undefined;
  return {
    query,
    variables: (variables ?? undefined) as PlainParams['variables'],
    operationName: (operationName ?? undefined) as PlainParams['operationName'],
  };
};

/** Mutations that were found valid and compiled, by the text of their documents. */
class ReadyMutations {
  readonly #compiled = new CompiledMutations(schema);
  readonly #documents = new LRUCache<string, DocumentNode>({ max: MAX_READY });
  readonly #services: Services;
  readonly #metrics: GraphQLMetrics | undefined;

  constructor(services: Services, metrics: GraphQLMetrics | undefined) {
    this.#services = services;
    this.#metrics = metrics;
  }

  remember(query: string, document: DocumentNode, operationName: string | undefined): void {
    if (query.length <= MAX_READY_LENGTH && this.#compiled.has(document, operationName))
      this.#documents.set(query, document);
  }

  /** @returns the answer; what has run and must be executed for its answer; undefined where nothing has run */
  async run(
    { query, variables, operationName }: PlainParams,
    { admitted, address, userAgent }: PlainContext,
  ): Promise<string | ResolvedMutation | undefined> {
    const document = this.#documents.get(query);
    const mutation = document && this.#compiled.prepare(document, operationName, variables);
    if (!mutation) return undefined;
    const operation = describeOperation(document, operationName);
    getTracing()?.describeOperation('mutation', getOperationAST(document, operationName)?.name?.value);
    const startedAt = performance.now();
    const { principal } = admitted;
    const answer = await mutation.run({ services: this.#services, principal, address, userAgent });
    if (typeof answer === 'string') this.#metrics?.executed(operation, NO_ERROR, performance.now() - startedAt);
    return answer;
  }
}

type PlainContext = OperationContext & { admitted: Admitted };
type Execute = () => ExecutionResult | Promise<ExecutionResult>;

/**
 * @param mutations told of the document
 * @param resolved the operation is a mutation whose resolver has run
 * @returns undefined for a document that is not valid and for subscriptions: Yoga has the answers
 */
const prepare = async (
  yoga: GraphQLServer,
  context: PlainContext,
  { query, variables: variableValues, operationName }: PlainParams,
  mutations: ReadyMutations,
  resolved: ResolvedMutation | undefined,
): Promise<Execute | undefined> => {
  const engine = yoga.getEnveloped({ ...context });
  const document = parsed(() => engine.parse(query));
  if (!document || engine.validate(engine.schema, document).length > 0) return undefined;
  const operation = getOperationAST(document, operationName)?.operation;
  if (operation !== 'query' && operation !== 'mutation') return undefined;
  if (operation === 'mutation') mutations.remember(query, document, operationName);
  const contextValue = await engine.contextFactory();
  const { schema } = resolved ?? engine;
  return () => engine.execute({ schema, document, rootValue: resolved, contextValue, variableValues, operationName });
};

const parsed = (parse: () => DocumentNode): DocumentNode | undefined => {
  try {
    return parse();
  } catch (error) {
    if (error instanceof GraphQLError) return undefined;
    throw error;
  }
};

const toGetter = (headers: IncomingHttpHeaders) => ({
  get: (name: string): string | null => {
    const value = headers[name];
    return typeof value === 'string' ? value : null;
  },
});

const answerByYoga = async (
  yoga: GraphQLServer,
  context: OperationContext,
  headers: IncomingHttpHeaders,
  body: Buffer,
  response: ServerResponse,
): Promise<void> => {
  const known = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  const init = { method: 'POST', headers: known, body: new Uint8Array(body) };
  const answer = await yoga.fetch(`http://plain${GRAPHQL_PATH}`, init, context);
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (!answer.body) return void response.end();
  // It may be the stream of a subscription: it goes at the pace of its client, and ends when its client goes.
  await pipeline(answer.body as AsyncIterable<Uint8Array>, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  });
};

const statusOf = ({ errors = [] }: ExecutionResult): number =>
  Math.max(OK, ...errors.map(httpOf).map(({ status = OK, spec }) => (spec ? OK : status)));
