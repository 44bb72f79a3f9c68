import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Credentials } from '../accounts/authenticate.ts';
import type { Config } from '../config.ts';
import type { Context, Services } from '../graphql/context.ts';
import { createErrorMask } from '../graphql/mask-errors.ts';
import { schema } from '../graphql/schema.ts';
import { credentialsOfHeaders } from './credentials.ts';

export const GRAPHQL_PATH = '/graphql';

/** What an operation brings that did not come as an HTTP request of its own. */
export interface SocketContext {
  /** Of the socket's connection_init. */
  credentials?: Credentials;
}

export type GraphQLServer = YogaServerInstance<SocketContext, Context>;

const GRAPHIQL = {
  title: 'TaskFlow',
  // Over WebSocket it would not send the headers that the user typed in.
  subscriptionsProtocol: 'SSE',
  defaultQuery: `# Headers (below) take credentials: { "X-API-Key": "tf_…" }. The documentation is behind the book on the left.
query Me { me { username } }
`,
} as const;

/** GraphQL over HTTP and Server-Sent Events, with GraphiQL; sockets use its engine. */
export const createGraphQLServer = (services: Services, config: Pick<Config, 'MAX_REQUEST_BYTES'>): GraphQLServer => {
  const maskError = createErrorMask(services.logger, config.MAX_REQUEST_BYTES);
  return createYoga<SocketContext, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    // A request with bad credentials fails as a whole; one without any gets to the fields, which say what they need.
    context: async ({ request, credentials }) => ({
      services,
      principal: await services.authenticator.authenticate(credentials ?? credentialsOfHeaders(request.headers)),
    }),
    maskedErrors: { maskError },
    plugins: [maskValidationErrors(maskError)],
    maxRequestBodySize: config.MAX_REQUEST_BYTES,
    parserAndValidationCache: true,
    graphiql: GRAPHIQL,
    renderGraphiQL,
    landingPage: false,
    multipart: false,
    cors: false,
    // Errors are logged where they are masked, each once.
    logging: false,
  });
};

/** Yoga masks what is thrown, but errors of validation are returned. */
const maskValidationErrors = (maskError: (error: unknown) => Error): Plugin => ({
  onValidate:
    () =>
    ({ valid, result, setResult }) => {
      if (!valid) setResult(result.map(maskError));
    },
});
