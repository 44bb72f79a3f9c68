import type { Credentials } from '../accounts/authenticate.ts';

/** The credentials of an HTTP request. */
export const credentialsOfHeaders = (headers: { get(name: string): string | null }): Credentials => ({
  authorization: headers.get('authorization') ?? undefined,
  apiKey: headers.get('x-api-key') ?? undefined,
});

/** The credentials of a socket: the same two names, in any case, as keys of its connection_init payload. */
export const credentialsOfParams = (params: Readonly<Record<string, unknown>> | undefined): Credentials => {
  const values = new Map(Object.entries(params ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const text = (name: string): string | undefined => {
    const value = values.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return { authorization: text('authorization'), apiKey: text('x-api-key') };
};
