import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

const IPV6_PREFIX_LENGTH = 64;
/** Parsing an address takes as long as counting it. */
const known = new LRUCache<string, string>({ max: 10_000 });

/**
 * What limits count an address as: itself, or the /64 of an IPv6 address, since whoever has one of these addresses has all
 * of them. What is no address counts as itself.
 */
export const addressGroup = (address: string): string => {
  const found = known.get(address);
  if (found !== undefined) return found;
  const group = groupOf(address);
  known.set(address, group);
  return group;
};

const groupOf = (address: string): string => {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toNormalizedString()}/${IPV6_PREFIX_LENGTH}`)}/${IPV6_PREFIX_LENGTH}`;
};
