import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { DoNotRetryError } from '../runtime/define-task.ts';
import { checkedLookup, type Network, refuseAddress } from './public-network.ts';

/** One request. */
export interface Ask {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export interface Answer {
  status: number;
  /** By their names in lower case; those that came twice are joined. */
  headers: Record<string, string>;
  body: Buffer;
}

export interface ExchangeOptions {
  network: Network;
  /** Of the answer's body. */
  maxBytes: number;
  signal: AbortSignal;
}

const MAX_HEADER_BYTES = 16_384;

/**
 * Sends one request and reads its answer. Redirects are answers like others.
 *
 * @throws DoNotRetryError ADDRESS_NOT_ALLOWED or RESPONSE_TOO_LARGE; what Node throws when the host cannot be reached or the
 *   signal aborts
 */
export const ask = async ({ url, method, headers, body }: Ask, options: ExchangeOptions): Promise<Answer> => {
  const { network, maxBytes, signal } = options;
  // An address in the URL is not looked up. In IPv6 it stands in brackets.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !network.isAllowed(literal)) throw refuseAddress(literal);
  const isSecure = url.protocol === 'https:';
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (isSecure ? requestHttps : requestHttp)(url, {
    method,
    headers: { 'user-agent': 'TaskFlow', ...headers },
    // Of its own: a connection that is kept open was checked for another task.
    agent: isSecure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }),
    lookup: checkedLookup(network),
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  });
  request.on('response', resolve).on('error', reject).end(body);
  const response = await promise;
  return { status: response.statusCode ?? 0, headers: headersOf(response), body: await read(response, maxBytes) };
};

const headersOf = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]));

const read = async (response: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop ends the connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new DoNotRetryError(`the answer has more than ${maxBytes} bytes`, { code: 'RESPONSE_TOO_LARGE' });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
