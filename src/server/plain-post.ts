import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type ExecutionResult, type GraphQLError, getOperationAST } from 'graphql';
import { credentialsOfHeaders } from './credentials.ts';
import { GRAPHQL_PATH, type GraphQLServer } from './graphql-server.ts';

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

/**
 * Answers a plain POST with Yoga's engine (its plugins, caches and error masking), but without the Request, Response and
 * streams of its HTTP path, which take more than half of the time of a small operation. A body that turns out to be unusual
 * is handed on to Yoga.
 */
export const answerPlainPost = async (
  yoga: GraphQLServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const body = await readBody(request);
  const params = parseParams(body);
  const execute = params && (await prepare(yoga, request.headers, params));
  if (!execute) return answerByYoga(yoga, request.headers, body, response);
  const result = await execute();
  const text = JSON.stringify(withoutInternals(result));
  response.writeHead(statusOf(result), { ...JSON_HEADERS, 'content-length': Buffer.byteLength(text) });
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

type Execute = () => ExecutionResult | Promise<ExecutionResult>;

/** @returns undefined for a document that is not valid, for subscriptions, and for wrong credentials: Yoga has the answers */
const prepare = async (
  yoga: GraphQLServer,
  headers: IncomingHttpHeaders,
  { query, variables, operationName }: PlainParams,
): Promise<Execute | undefined> => {
  const engine = yoga.getEnveloped({ credentials: credentialsOfHeaders(toGetter(headers)) });
  try {
    const document = engine.parse(query);
    if (engine.validate(engine.schema, document).length > 0) return undefined;
    const operation = getOperationAST(document, operationName)?.operation;
    if (operation !== 'query' && operation !== 'mutation') return undefined;
    const contextValue = await engine.contextFactory();
    return () =>
      engine.execute({ schema: engine.schema, document, contextValue, variableValues: variables, operationName });
  } catch {
    return undefined;
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
  headers: IncomingHttpHeaders,
  body: Buffer,
  response: ServerResponse,
): Promise<void> => {
  const known = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  const answer = await yoga.fetch(`http://plain${GRAPHQL_PATH}`, {
    method: 'POST',
    headers: known,
    body: new Uint8Array(body),
  });
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (!answer.body) return void response.end();
  // It may be the stream of a subscription: it goes at the pace of its client, and ends when its client goes.
  await pipeline(answer.body as AsyncIterable<Uint8Array>, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  });
};

interface HttpExtension {
  status?: number;
  /** The status is only meant for clients that accept application/graphql-response+json. */
  spec?: boolean;
}

const httpOf = ({ extensions }: GraphQLError): HttpExtension => (extensions.http as HttpExtension | undefined) ?? {};

const statusOf = ({ errors = [] }: ExecutionResult): number =>
  Math.max(OK, ...errors.map(httpOf).map(({ status = OK, spec }) => (spec ? OK : status)));

/** `http` in an error's extensions is for this layer. */
const withoutInternals = (result: ExecutionResult): object => {
  if (!result.errors) return result;
  const errors = result.errors.map((error) => {
    const { http: _, ...extensions } = error.extensions;
    return { ...error.toJSON(), extensions };
  });
  return { ...result, errors };
};
