/**
 * Waits for the answer of a blocking read, but not beyond the end of the term, and not for ever: ioredis never settles a
 * read whose connection was closed while it was reconnecting, and a connection that died silently does not answer at all.
 *
 * @param ms within which the answer must come
 * @throws the signal's reason, or an Error when the time is up; and what the read throws
 */
export const inTime = async <T>(read: Promise<T>, ms: number, signal: AbortSignal): Promise<T> => {
  read.catch(() => undefined); // It may fail when nobody waits for it any more.
  signal.throwIfAborted();
  const end = Promise.withResolvers<never>();
  const timer = setTimeout(() => end.reject(new Error(`a blocking read of Redis did not answer within ${ms} ms`)), ms);
  const onAbort = (): void => end.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([read, end.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
};
