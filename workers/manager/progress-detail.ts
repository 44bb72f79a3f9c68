const WRAPPED = /^\s*\{\s*"detail"\s*:(.*)\}\s*$/s;
/** In place of a detail that a worker found too large. */
const TOO_LARGE = JSON.stringify({ error: 'DETAIL_TOO_LARGE', limit: 4_096 });

/**
 * What is kept of a progress's detail: JSON text, or empty for none. Workers send `{"detail": …}`; whatever a faulty one sends
 * is kept too, as JSON or as a string, so that it holds nobody up.
 *
 * The text is cut out and not written anew, which would change numbers that JavaScript cannot hold.
 */
export const keptDetail = (text: string): string => {
  if (text === '') return '';
  const inner = WRAPPED.exec(text)?.[1]?.trim();
  if (inner !== undefined && parse(inner) !== undefined) return inner === 'null' ? '' : inner;
  const whole = parse(text);
  if (whole === undefined) return JSON.stringify(text);
  return isCut(whole) ? TOO_LARGE : text;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Workers cut what is too large as they cut log records. */
const isCut = (value: unknown): boolean => (Object(value) as { isCut?: unknown }).isCut === true;
