import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, type GraphQLError } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import type { CompiledResults } from '../graphql/compiled-results.ts';
import type { Context } from '../graphql/context.ts';
import type { GraphQLMetrics } from '../metrics/graphql-metrics.ts';
import { toPausable } from '../realtime/pausable-source.ts';
import { toAnswer } from './http-extension.ts';
import { codeOf, describeOperation } from './measure-operations.ts';
import { PushedResults } from './pushed-results.ts';

export interface SubscriptionParts {
  compiled: CompiledResults;
  maskError: (error: unknown) => GraphQLError;
  metrics?: GraphQLMetrics | undefined;
}

/** A valid operation, with the context of whoever was let in with it. */
export interface ContextualArgs extends ExecutionArgs {
  contextValue: Context;
}

/** Sends a result, as JSON text. @returns when the client can take the next one; undefined for at once */
export type SendResult = (text: string) => Promise<void> | undefined;

/**
 * Begins a subscription whose results are written by what was compiled for its operation. The schema says, as ever, who may
 * begin it; after that no result takes an execution, but for those of which the compiled one is not sure. It ends, as others
 * do, when the credentials that it began with expire or are revoked.
 *
 * @returns undefined, and nothing was done, for operations whose results always take an execution, and for those that are no
 * subscriptions
 */
export const beginCompiled = async (
  { compiled, maskError, metrics }: SubscriptionParts,
  { schema, document, operationName, variableValues, contextValue }: ContextualArgs,
  send: SendResult,
): Promise<PushedResults | ExecutionResult | undefined> => {
  const write = compiled.writerOf({ document, operationName, variableValues });
  if (!write) return undefined;
  const args = { schema, document, operationName, variableValues, contextValue };
  const mask = ({ errors, ...rest }: ExecutionResult): ExecutionResult =>
    errors ? { ...rest, errors: errors.map(maskError) } : rest;
  const source = await createSourceEventStream(args);
  const operation = describeOperation(document, operationName);
  if (!isAsyncIterable(source)) {
    const refusal = mask(source);
    metrics?.refused(codeOf(refusal), operation);
    return refusal;
  }
  // What an engine has extended it by is let go: there may be thousands of these.
  const { services, principal, address } = contextValue;
  args.contextValue = { services, principal, address };
  const results: PushedResults = new PushedResults({
    source: toPausable(source),
    write,
    execute: async (rootValue) => JSON.stringify(toAnswer(mask(await execute({ ...args, rootValue })))),
    send,
    maskError,
    onEnd: () => {
      leave?.();
      count?.();
    },
  });
  const count = metrics?.subscribed(operation);
  const leave =
    principal && services.sessions.add(principal, (reason) => results.endWith({ errors: [maskError(reason)] }));
  return results;
};
