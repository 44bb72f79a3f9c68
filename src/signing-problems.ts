/** As RFC 7518 has it: a secret is at least as long as the hash. */
const MIN_SECRET_LENGTH = { HS256: 32, HS384: 48, HS512: 64 } as const;
/** A random secret of 32 characters has fewer in one case out of a million, even as hex digits. */
const MIN_DISTINCT_CHARACTERS = 8;
/** What .env.example has, and its like. */
const PLACEHOLDER = /replace|change.?me|example|placeholder/i;
const REPETITION = /^(.+?)\1+$/s;

interface SigningSettings {
  ALGORITHM: keyof typeof MIN_SECRET_LENGTH | 'RS256' | 'EdDSA';
  SECRET_KEY: string;
  PRIVATE_KEY_FILE: string;
}

/** Whoever can guess the secret is everybody: a weak one does not start. @returns what is wrong, with the setting's name */
export const signingProblems = ({ ALGORITHM, SECRET_KEY, PRIVATE_KEY_FILE }: SigningSettings): string[] => {
  if (ALGORITHM === 'RS256' || ALGORITHM === 'EdDSA') {
    return PRIVATE_KEY_FILE === '' ? [`PRIVATE_KEY_FILE: is not set; ${ALGORITHM} needs it`] : [];
  }
  const complaint = weaknessOf(SECRET_KEY, MIN_SECRET_LENGTH[ALGORITHM]);
  return complaint ? [`SECRET_KEY: ${complaint}; \`openssl rand -hex 32\` makes one`] : [];
};

const weaknessOf = (secret: string, minLength: number): string | undefined => {
  if (secret.length < minLength) return `must have at least ${minLength} characters`;
  if (PLACEHOLDER.test(secret)) return 'is a placeholder';
  if (new Set(secret).size < MIN_DISTINCT_CHARACTERS || REPETITION.test(secret)) return 'only repeats itself';
  return undefined;
};
