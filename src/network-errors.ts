const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Did this fail because another machine, or a process of this one, cannot be reached? */
export const isNetworkError = (error: unknown): boolean => {
  const { code } = Object(error) as NodeJS.ErrnoException;
  return code !== undefined && NETWORK_CODES.has(code);
};
