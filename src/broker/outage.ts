import { isNetworkError } from '../network-errors.ts';
import { BrokerNotReadyError } from './define-function.ts';

const NAMES = new Set(['MaxRetriesPerRequestError', 'AbortError']);
/** What ioredis says while a connection is away or a command takes too long, and Redis while it starts, fails over, moves keys or is full. */
const MESSAGES =
  /^(Connection is closed|Stream isn't writeable|Command timed out|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MOVED |ASK |TRYAGAIN|UNBLOCKED|NOREPLICAS|OOM|MISCONF)/;

/** Did this fail because Redis cannot be reached, does not answer in time, or waits to be rebuilt? */
export const isBrokerOutage = (error: unknown): boolean => {
  if (error instanceof BrokerNotReadyError) return true;
  if (!(error instanceof Error)) return false;
  return NAMES.has(error.name) || MESSAGES.test(error.message) || isNetworkError(error);
};
