import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { TaskFlowError } from '../errors.ts';

/** What signs tokens, and what checks them: the same secret for HS…, a pair of keys for RS256 and EdDSA. */
export interface SigningKeys {
  algorithm: Config['ALGORITHM'];
  signing: Uint8Array | KeyObject;
  checking: Uint8Array | KeyObject;
}

type KeySettings = Pick<Config, 'ALGORITHM' | 'SECRET_KEY' | 'PRIVATE_KEY_FILE' | 'PUBLIC_KEY_FILE'>;

/** RSA keys below this many bits are refused: RFC 7518 asks for 2,048. */
const MIN_RSA_BITS = 2_048;

/**
 * The keys that the settings name. Files hold PEM; without a public one, it is worked out from the private one.
 *
 * @throws TaskFlowError BAD_USER_INPUT of one line when a file cannot be read, or its key does not fit the algorithm
 */
export const readSigningKeys = (settings: KeySettings): SigningKeys => {
  const { ALGORITHM: algorithm, SECRET_KEY, PRIVATE_KEY_FILE, PUBLIC_KEY_FILE } = settings;
  if (algorithm !== 'RS256' && algorithm !== 'EdDSA') {
    const secret = new TextEncoder().encode(SECRET_KEY);
    return { algorithm, signing: secret, checking: secret };
  }
  const signing = readKey('PRIVATE_KEY_FILE', PRIVATE_KEY_FILE, createPrivateKey);
  const derived = createPublicKey(signing);
  const checking = PUBLIC_KEY_FILE === '' ? derived : readKey('PUBLIC_KEY_FILE', PUBLIC_KEY_FILE, createPublicKey);
  if (!checking.equals(derived)) throw unfit('PUBLIC_KEY_FILE', 'does not belong to the key in PRIVATE_KEY_FILE');
  if (!fits(algorithm, signing)) {
    const wanted = algorithm === 'RS256' ? `an RSA key of at least ${MIN_RSA_BITS} bits` : 'an Ed25519 key';
    throw unfit('PRIVATE_KEY_FILE', `holds no key for ${algorithm}: it takes ${wanted}`);
  }
  return { algorithm, signing, checking };
};

const fits = (algorithm: 'RS256' | 'EdDSA', { asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean =>
  algorithm === 'EdDSA'
    ? asymmetricKeyType === 'ed25519'
    : asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;

const readKey = (setting: string, file: string, parse: (pem: Buffer) => KeyObject): KeyObject => {
  try {
    return parse(readFileSync(file));
  } catch (error) {
    throw unfit(setting, `no key can be read from ${file}: ${(error as Error).message}`);
  }
};

const unfit = (setting: string, message: string): TaskFlowError =>
  new TaskFlowError('BAD_USER_INPUT', `${setting}: ${message}`);
