import { type Client, createClient } from 'graphql-ws';
import { z } from 'zod';
import { TaskFlowError } from '../errors.ts';

const AnswerSchema = z.object({
  data: z.unknown(),
  errors: z
    .array(z.object({ message: z.string(), extensions: z.object({ code: z.string().optional() }).optional() }))
    .optional(),
});

/**
 * Sends one operation to a TaskFlow.
 *
 * @param headers its credentials
 * @throws TaskFlowError UNAVAILABLE with the first error's message
 */
export const request = async <T>(
  url: string,
  query: string,
  variables: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<T> => {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = AnswerSchema.parse(await response.json());
  if (errors?.[0]) throw new TaskFlowError('UNAVAILABLE', errors[0].message);
  return data as T;
};

/** A socket for subscriptions, with the credentials as its connection parameters. The caller disposes of it. */
export const openSocket = (url: string, connectionParams: Record<string, string>): Client =>
  createClient({ url: `${url.replace(/^http/, 'ws')}/graphql`, connectionParams, retryAttempts: 10 });
