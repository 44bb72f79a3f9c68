import { getOperationAST } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Credentials } from '../accounts/authenticate.ts';
import type { Config } from '../config.ts';
import type { Context, Services } from '../graphql/context.ts';
import { createErrorMask } from '../graphql/mask-errors.ts';
import { limitQueries } from '../graphql/query-limits.ts';
import { schema } from '../graphql/schema.ts';
import type { GraphQLMetrics } from '../metrics/graphql-metrics.ts';
import { getTracing, type Tracing } from '../tracing/tracing.ts';
import { type Admitted, admit, rateLimitHeaders } from './admission.ts';
import { credentialsOfHeaders } from './credentials.ts';
import { endWithCredentials } from './end-with-credentials.ts';
import { renderGraphiQLPage } from './graphiql-page.ts';
import { measureOperations } from './measure-operations.ts';
import type { PersistedOperations } from './persisted-operations.ts';
import { pagePolicy } from './security-headers.ts';

export const GRAPHQL_PATH = '/graphql';

/** What an operation brings along beside its HTTP request, if it came as one. */
export interface OperationContext {
  /** Of the socket's connection_init. */
  credentials?: Credentials;
  /** The client's address. */
  address?: string;
  /** What the client says that it is. */
  userAgent?: string | undefined;
  /** Who was let in with it. Those of HTTP requests always are; of others, the credentials are asked. */
  admitted?: Admitted;
}

export type GraphQLServer = YogaServerInstance<OperationContext, Context>;

/** The settings that concern GraphQL. */
export type GraphQLSettings = Pick<Config, 'MAX_REQUEST_BYTES' | 'GRAPHIQL' | 'INTROSPECTION'>;

const NONE: Credentials = { authorization: undefined, apiKey: undefined };

export const createMask = ({ logger }: Services, { MAX_REQUEST_BYTES, INTROSPECTION }: GraphQLSettings) =>
  createErrorMask(logger, { maxRequestBytes: MAX_REQUEST_BYTES, hidesSuggestions: !INTROSPECTION });

/**
 * GraphQL over HTTP and Server-Sent Events, with GraphiQL; sockets and plain POSTs use its engine.
 *
 * @param persisted the only operations that run. Default: any
 * @param metrics counts operations. Default: nobody does
 */
export const createGraphQLServer = (
  services: Services,
  settings: GraphQLSettings,
  persisted?: PersistedOperations,
  metrics?: GraphQLMetrics,
): GraphQLServer => {
  const maskError = createMask(services, settings);
  const tracing = getTracing();
  return createYoga<OperationContext, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    context: async ({ credentials = NONE, address, userAgent, admitted }) => {
      const { principal } = admitted ?? (await admit(services, credentials, address ?? ''));
      return { services, principal, address, userAgent };
    },
    maskedErrors: { maskError },
    plugins: [
      admitRequests(services),
      ...(persisted ? [persistedOnly(persisted)] : []),
      maskValidationErrors(maskError),
      limitQueries({ introspection: settings.INTROSPECTION }),
      endWithCredentials(services.sessions),
      lockPage(),
      ...(metrics ? [measureOperations(metrics)] : []),
      ...(tracing ? [nameSpans(tracing)] : []),
    ],
    maxRequestBodySize: settings.MAX_REQUEST_BYTES,
    parserAndValidationCache: true,
    graphiql: settings.GRAPHIQL,
    renderGraphiQL: renderGraphiQLPage,
    landingPage: false,
    multipart: false,
    cors: false,
    // Errors are logged where they are masked, each once.
    logging: false,
  });
};

/**
 * Before anything is read of a request. One with bad credentials fails as a whole; one without any gets to the fields, which
 * say what they need.
 */
const admitRequests = (services: Services): Plugin<object, OperationContext> => ({
  onRequestParse: async ({ request, serverContext }) => {
    const { address = '' } = serverContext;
    serverContext.admitted ??= await admit(services, credentialsOfHeaders(request.headers), address);
  },
  onResponse: ({ response, serverContext: { admitted } }) => {
    if (!admitted?.rateLimit) return;
    for (const [name, value] of Object.entries(rateLimitHeaders(admitted.rateLimit))) response.headers.set(name, value);
  },
});

const persistedOnly = (persisted: PersistedOperations): Plugin => ({
  onParams: ({ params, setParams }) => setParams({ ...params, query: persisted.documentOf(params) }),
});

/** A request's span says what was asked for. */
const nameSpans = (tracing: Tracing): Plugin => ({
  onExecute: ({ args: { document, operationName } }) => {
    const operation = getOperationAST(document, operationName);
    if (operation) tracing.describeOperation(operation.operation, operation.name?.value);
  },
});

/** Yoga masks what is thrown, but errors of validation are returned. */
const maskValidationErrors = (maskError: (error: unknown) => Error): Plugin => ({
  onValidate:
    () =>
    ({ valid, result, setResult }) => {
      if (!valid) setResult(result.map(maskError));
    },
});

/** Lets GraphiQL run what it brings along, and nothing else. */
const lockPage = (): Plugin => {
  let policy: string | undefined;
  return {
    onResponse: async ({ response }) => {
      if (!response.headers.get('content-type')?.startsWith('text/html')) return;
      // The page is the same each time, and has 9 MB.
      policy ??= pagePolicy(await response.clone().text());
      response.headers.set('content-security-policy', policy);
    },
  };
};
