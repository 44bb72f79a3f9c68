import type { Command } from 'commander';
import { addCommand, collect } from './define.ts';
import { usageError } from './exit-codes.ts';
import type { Column, Output } from './output.ts';
import { confirm } from './prompt.ts';
import { online } from './session.ts';
import { age, localTime, plain } from './text.ts';
import { parseCount, parseDuration } from './values.ts';

interface ApiKeyRow {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  isActive: boolean;
  rateLimitPerHour: number | null;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

interface CreatedKey {
  secret: string;
  apiKey: ApiKeyRow;
}

const FIELDS = 'id name prefix scopes isActive rateLimitPerHour createdAt expiresAt lastUsedAt';
const LIST = `{ apiKeys { ${FIELDS} } }`;
const CREATE = `mutation ($input: CreateApiKeyInput!) { created: createApiKey(input: $input) { secret apiKey { ${FIELDS} } } }`;
const ROTATE = `mutation ($id: ID!, $minutes: Int!) {
  created: rotateApiKey(id: $id, overlapMinutes: $minutes) { secret apiKey { ${FIELDS} } }
}`;
const REVOKE = `mutation ($id: ID!) { revokeApiKey(id: $id) { ${FIELDS} } }`;

const COLUMNS: readonly Column<ApiKeyRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'KEY', value: ({ prefix }) => `${prefix}…` },
  { head: 'WORKS', value: ({ isActive }) => (isActive ? 'yes' : 'no') },
  { head: 'UNTIL', value: ({ expiresAt }) => (expiresAt ? localTime(expiresAt).slice(0, 10) : 'never') },
  { head: 'USED', value: ({ lastUsedAt }) => (lastUsedAt ? age(lastUsedAt) : 'never'), align: 'right' },
  { head: 'SCOPES', value: ({ scopes }) => scopes.join(',').toLowerCase() },
  { head: 'NAME', value: ({ name }) => name },
];

/** `keys create|list|rotate|revoke`. */
export const addKeyCommands = (program: Command): void => {
  const keys = addCommand(program, 'keys', 'API keys for your programs: makes, lists, rotates and revokes them.', [
    'taskflow keys create "my service"',
  ]);
  online(
    addCommand(keys, 'create <name>', 'Makes an API key, and shows its secret this once.', [
      'taskflow keys create "my service" --days 90',
      'export TASKFLOW_API_KEY=$(taskflow keys create ci --scopes tasks_read,tasks_write)',
    ])
      .option('--scopes <names>', 'tasks_read, tasks_write, keys_admin; admins also queues_admin and worker', collect)
      .option('--days <count>', 'for how long; 0 for ever, where that is allowed', parseCount, 30)
      .option('--rate <count>', 'requests in an hour', parseCount),
    async ({ request, output }, options: { scopes?: string[]; days: number; rate?: number }, name: string) => {
      const scopes = options.scopes?.map((scope) => scope.toUpperCase());
      const input = { name, scopes, expiresInDays: options.days, rateLimitPerHour: options.rate };
      showSecret(output, (await request<{ created: CreatedKey }>(CREATE, { input })).created);
    },
  );
  online(
    addCommand(keys, 'list', 'Lists your API keys, newest first.', ['taskflow keys list']),
    async ({ request, output }) => {
      const { apiKeys } = await request<{ apiKeys: ApiKeyRow[] }>(LIST);
      await output.table(apiKeys, COLUMNS, 'You have no API keys. `taskflow keys create NAME` makes one.');
    },
  );
  online(
    addCommand(keys, 'rotate <id>', 'Puts a new key into the place of another one, and shows its secret this once.', [
      'taskflow keys rotate 0198c1a2-… --overlap 1h',
    ]).option('--overlap <time>', 'how long the old one still works, at most 7d', parseDuration, 3_600_000),
    async ({ request, output }, { overlap }: { overlap: number }, id: string) => {
      if (overlap % 60_000 !== 0) throw usageError('--overlap is counted in whole minutes: 0m, 30m, 2h.');
      showSecret(output, (await request<{ created: CreatedKey }>(ROTATE, { id, minutes: overlap / 60_000 })).created);
    },
  );
  online(
    addCommand(keys, 'revoke <id>', 'Revokes a key: it stops working at once.', [
      'taskflow keys revoke 0198c1a2-… --yes',
    ]).option('-y, --yes', 'do not ask'),
    async ({ request, output }, { yes }: { yes?: boolean }, id: string) => {
      await confirm(`The key ${id} will stop working at once. Go on?`, yes === true);
      const { revokeApiKey } = await request<{ revokeApiKey: ApiKeyRow }>(REVOKE, { id });
      output.json(revokeApiKey);
      output.line(`The key ${plain(revokeApiKey.name)} (${revokeApiKey.prefix}…) is revoked.`);
    },
  );
};

/** stdout has the secret alone, so that a script can take it. */
const showSecret = (output: Output, created: CreatedKey): void => {
  output.json(created);
  output.line(created.secret);
  if (!output.isJson)
    output.note(
      'Keep it now: it is shown this once. Programs send it as X-API-Key; this command takes it from TASKFLOW_API_KEY.',
    );
};
