import { type LookupAddress, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { DoNotRetryError } from '../runtime/define-task.ts';

/** Public by their range, and yet the metadata service of a cloud: Azure's. */
const METADATA = new Set(['168.63.129.16']);

/**
 * Whether an address is one of the open internet: no private, loopback, link-local, shared, multicast or reserved one, and
 * none that is translated into another (NAT64, 6to4, Teredo). IPv4 inside of IPv6 counts as what it is.
 */
export const isPublicAddress = (text: string): boolean => {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast' || METADATA.has(address.toString())) return false;
  // All of IPv6 that is given out so far, 2000::/3; what comes later may be anything.
  return address.kind() === 'ipv4' || ((address as ipaddr.IPv6).parts[0] ?? 0) >> 13 === 1;
};

/** How names become addresses, and which of these may be asked. Replaced in tests. */
export interface Network {
  resolve: (host: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;
  isAllowed: (address: string) => boolean;
}

export const publicNetwork: Network = {
  resolve: (host, done) => lookup(host, { all: true }, done),
  isAllowed: isPublicAddress,
};

/** @throws DoNotRetryError ADDRESS_NOT_ALLOWED */
export const refuseAddress = (host: string): DoNotRetryError =>
  new DoNotRetryError(`"${host}" is at an address that is not public`, { code: 'ADDRESS_NOT_ALLOWED' });

/**
 * Resolves a name for a connection. The connection is made to the very addresses that were checked here: a name that changes
 * its address between two looks gains nothing. One address that is not public refuses the name.
 */
export const checkedLookup =
  ({ resolve, isAllowed }: Network): LookupFunction =>
  (host, options, done) => {
    resolve(host, (error, addresses) => {
      if (error) return done(error, '');
      if (addresses.length === 0 || !addresses.every(({ address }) => isAllowed(address))) {
        return done(refuseAddress(host), '');
      }
      const [first] = addresses as [LookupAddress];
      if (options.all) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
