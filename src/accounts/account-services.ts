import type { Database } from '../database/client.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { FailedLogins } from './failed-logins.ts';
import type { Lockout } from './lockout.ts';
import type { Passwords } from './passwords.ts';
import type { Revocations } from './revocations.ts';

/** What users may give their API keys. */
export interface ApiKeyRules {
  mayNeverExpire: boolean;
  /** Requests in an hour that somebody who is no admin may give a key, at most. 0: any number. */
  maxRateLimitPerHour: number;
}

/** What the use cases of accounts work with. The server makes one for the process. */
export interface AccountServices {
  database: Database;
  tokens: AccessTokens;
  passwords: Passwords;
  failedLogins: FailedLogins;
  lockout: Lockout;
  revocations: Revocations;
  apiKeyRules: ApiKeyRules;
}
