/** Whether a process can do its work, and each part that it needs with "ok" or what is wrong. */
export interface Readiness {
  isReady: boolean;
  parts: Readonly<Record<string, string>>;
}

export const OK = 'ok';

/** How long a part may take to answer, in ms: whoever asks wants to know now. */
const TIMEOUT_MS = 2_000;

export const toReadiness = <Parts extends Record<string, string>>(
  parts: Parts,
): { isReady: boolean; parts: Parts } => ({
  isReady: Object.values(parts).every((answer) => answer === OK),
  parts,
});

/** @throws Error after two seconds, or what the part throws */
export const inTime = async <T>(answer: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
};
