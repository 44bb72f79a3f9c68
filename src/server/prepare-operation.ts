import { type DocumentNode, type GraphQLError, type GraphQLSchema, getOperationAST, OperationTypeNode } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import type { Credentials } from '../accounts/authenticate.ts';
import type { RequestKind } from '../accounts/rate-limits.ts';
import type { Context } from '../graphql/context.ts';
import { admit } from './admission.ts';
import type { GraphQLServer } from './graphql-server.ts';
import type { Front } from './routes.ts';

/** What an operation is run with, whoever runs it. */
export interface OperationArgs {
  schema: GraphQLSchema;
  document: DocumentNode;
  operationName: string | null | undefined;
  variableValues: Record<string, unknown> | null | undefined;
}

/** Who is at the other end of a socket, as the request for it says. */
export interface SocketClient {
  address: string;
  /** What it says that it is. */
  userAgent: string | undefined;
}

/** A valid operation of a client that was let in. */
export interface PreparedOperation {
  args: OperationArgs;
  contextValue: Context;
  /** Yoga's, with its plugins. */
  engine: Pick<ReturnType<GraphQLServer['getEnveloped']>, 'execute' | 'subscribe'>;
}

/**
 * Gets one operation of a socket ready to run: reads it, counts it, and checks it.
 *
 * @returns the errors of a document that is not valid
 * @throws TaskFlowError UNAUTHENTICATED, RATE_LIMITED, or what is wrong with the hash of a registered operation; GraphQLError for
 * what cannot be read
 */
export const prepareOperation = async (
  { yoga, services, persisted }: Pick<Front, 'yoga' | 'services' | 'persisted'>,
  credentials: Credentials,
  { address, userAgent }: SocketClient,
  payload: SubscribePayload,
): Promise<PreparedOperation | readonly GraphQLError[]> => {
  // Whose it is comes with the context, below.
  const engine = yoga.getEnveloped({ credentials, address, userAgent });
  const parsed = attempt(() => engine.parse(persisted ? persisted.documentOf(payload) : payload.query) as DocumentNode);
  const admitted = await admit(services, credentials, address, kindOf(parsed.value, payload.operationName));
  if (!parsed.value) throw parsed.error;
  const { schema } = engine;
  const errors: readonly GraphQLError[] = engine.validate(schema, parsed.value);
  if (errors.length > 0) return errors;
  const { operationName, variables: variableValues } = payload;
  const args = { schema, document: parsed.value, operationName, variableValues };
  return { args, contextValue: await engine.contextFactory({ admitted }), engine };
};

const attempt = <T>(work: () => T): { value: T; error?: never } | { value?: never; error: unknown } => {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
};

/** What cannot be read, or does not say which of its operations is meant, counts as a request. */
const kindOf = (document: DocumentNode | undefined, operationName: string | null | undefined): RequestKind => {
  const operation = document && getOperationAST(document, operationName);
  return operation && operation.operation !== OperationTypeNode.MUTATION ? 'socket read' : 'request';
};
