/** Whether a process can do its work, and each part that it needs with "ok" or what is wrong. */
export interface Readiness {
  isReady: boolean;
  parts: Readonly<Record<string, string>>;
}

export const OK = 'ok';

/** How long a part may take to answer, in ms: whoever asks wants to know now. */
export const ANSWER_MS = 2_000;

export const toReadiness = <Parts extends Record<string, string>>(
  parts: Parts,
): { isReady: boolean; parts: Parts } => ({
  isReady: Object.values(parts).every((answer) => answer === OK),
  parts,
});
