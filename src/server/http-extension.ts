import type { ExecutionResult, FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql';
import type { HttpExtension } from '../graphql/mask-errors.ts';

/** What an error says to the HTTP layer. */
export const httpOf = ({ extensions }: GraphQLError): HttpExtension =>
  (extensions.http as HttpExtension | undefined) ?? {};

/** An error as clients get it. */
export const withoutHttp = (error: GraphQLError): GraphQLFormattedError => {
  const { http: _, ...extensions } = error.extensions;
  return { ...error.toJSON(), extensions };
};

/** A result as clients get it. */
export const toAnswer = ({ errors, ...rest }: ExecutionResult): FormattedExecutionResult =>
  errors ? { errors: errors.map(withoutHttp), ...rest } : rest;
