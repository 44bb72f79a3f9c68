import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import type { Logger } from 'pino';

/** Where a request comes from, as "192.0.2.7" or "2001:db8::7". */
export type ReadAddress = (request: IncomingMessage) => string;

type Range = [address: ipaddr.IPv4 | ipaddr.IPv6, prefixLength: number];

const MAPPED = '::ffff:';
const WITH_PORT = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?$/;

/**
 * Makes the reader of clients' addresses: the other end of the connection, unless that is a trusted proxy. Then it is the
 * last entry of X-Forwarded-For that no trusted proxy stands for: what is left of it the client may have made up.
 *
 * @param trustedProxies addresses and CIDRs
 */
export const createAddressReader = (trustedProxies: readonly string[], logger: Logger): ReadAddress => {
  const ranges = trustedProxies.map(toRange);
  const isTrusted = (address: string): boolean => ranges.some((range) => isWithin(address, range));
  let hasWarned = false;
  return ({ socket, headers }) => {
    const peer = plain(socket.remoteAddress ?? '');
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined) return peer;
    if (isTrusted(peer)) return clientOf(String(forwarded), peer, isTrusted);
    if (!hasWarned) logger.warn({ peer }, 'X-Forwarded-For is ignored from here: TRUSTED_PROXIES does not name it');
    hasWarned = true;
    return peer;
  };
};

const toRange = (text: string): Range => {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
};

const isWithin = (address: string, [network, prefixLength]: Range): boolean => {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.kind() === network.kind() && parsed.match([network, prefixLength] as [ipaddr.IPv4, number]);
};

/** From the right, each entry was written by the proxy that the one before stands for. */
const clientOf = (forwarded: string, peer: string, isTrusted: (address: string) => boolean): string => {
  let client = peer;
  for (const entry of forwarded.split(',').reverse()) {
    const address = withoutPort(entry.trim());
    if (!ipaddr.isValid(address)) return client;
    client = plain(address);
    if (!isTrusted(client)) return client;
  }
  return client;
};

const withoutPort = (entry: string): string => {
  const match = WITH_PORT.exec(entry);
  return match?.[1] ?? match?.[2] ?? entry;
};

/** A server that listens on IPv6 sees IPv4 clients as "::ffff:192.0.2.7". */
const plain = (address: string): string => (address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address);
