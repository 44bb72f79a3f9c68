import { createHash, randomBytes, randomInt } from 'node:crypto';

const PREFIX_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const PREFIX_LENGTH = 8;
const SECRET_BYTES = 32;
const FORM = /^tf_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$/;

export interface NewSecret {
  /** The whole key: "tf_", 8 public characters, "_" and 256 random bits in base64url. */
  secret: string;
  /** Its public beginning: "tf_3kd92jx0". */
  prefix: string;
  hash: Buffer<ArrayBuffer>;
}

export const makeSecret = (): NewSecret => {
  const name = Array.from({ length: PREFIX_LENGTH }, () => PREFIX_ALPHABET[randomInt(PREFIX_ALPHABET.length)]).join('');
  const prefix = `tf_${name}`;
  const secret = `${prefix}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { secret, prefix, hash: hashSecret(secret) };
};

/** SHA-256: 256 random bits need no slow hash. */
export const hashSecret = (secret: string): Buffer<ArrayBuffer> => createHash('sha256').update(secret).digest();

/** Could this be a key of ours? What does not look like one is not looked up. */
export const looksLikeSecret = (text: string): boolean => FORM.test(text);
