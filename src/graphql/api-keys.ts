import {
  type API_KEY_SCOPES,
  CreateApiKeySchema,
  EXPIRES_IN_DAYS,
  MAX_OVERLAP_MINUTES,
} from '../accounts/api-key-input.ts';
import { isActive } from '../accounts/api-key-store.ts';
import { type CreatedApiKey, createApiKey, revokeApiKey, rotateApiKey } from '../accounts/api-keys.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { callerOf, requirePrincipal } from './context.ts';

const ApiKeyScopeType = builder.enumType('ApiKeyScope', {
  description: 'What an API key allows.',
  values: {
    TASKS_READ: { description: 'Reading and watching tasks, queues and workers.' },
    TASKS_WRITE: { description: 'Submitting and changing tasks.' },
    QUEUES_ADMIN: {
      description: 'Pausing and resuming queues. Only admins give it, and it counts while they are admins.',
    },
    KEYS_ADMIN: { description: 'Making, listing, rotating and revoking API keys, with no more scopes than its own.' },
    WORKER: {
      description: "Working on everybody's tasks, through GraphQL. Only admins give it, and it counts while they are.",
    },
  } satisfies Record<(typeof API_KEY_SCOPES)[number], object>,
});

const ApiKeyType = builder.prismaObject('ApiKey', {
  description: 'Credentials for a program. Its secret is not kept.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    name: t.exposeString('name', { description: 'What its owner calls it.' }),
    prefix: t.exposeString('prefix', { description: 'The first characters, to tell keys apart.' }),
    scopes: t.expose('scopes', { type: [ApiKeyScopeType], description: 'What it allows.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'Until when it works.' }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute. What is open with it, as a socket, uses it all the time.',
    }),
    rateLimitPerHour: t.exposeInt('rateLimitPerHour', {
      nullable: true,
      description: 'Requests in an hour, where it has a limit of its own.',
    }),
    isActive: t.boolean({ description: 'Neither expired nor revoked.', resolve: isActive }),
  }),
});

const CreatedApiKeyType = builder.objectRef<CreatedApiKey>('CreatedApiKey').implement({
  description: 'A new API key with its secret.',
  fields: (t) => ({
    secret: t.exposeString('secret', { description: 'For the header "X-API-Key". It is shown this once.' }),
    apiKey: t.field({ type: ApiKeyType, description: 'What is kept of it.', resolve: ({ apiKey }) => apiKey }),
  }),
});

const CreateApiKeyInput = builder
  .inputType('CreateApiKeyInput', {
    description: 'A new API key.',
    fields: (t) => ({
      name: t.string({ required: true, description: '1 to 100 characters.' }),
      scopes: t.field({ type: [ApiKeyScopeType], description: 'What it allows. Default: TASKS_READ and TASKS_WRITE.' }),
      expiresInDays: t.int({
        defaultValue: EXPIRES_IN_DAYS.initial,
        description: `1 to ${EXPIRES_IN_DAYS.max}, or 0 for never, where the installation allows it.`,
      }),
      rateLimitPerHour: t.int({
        description: "Requests in an hour. Default: they count as its user's. Only admins give more than a user has.",
      }),
    }),
  })
  .validate(CreateApiKeySchema);

builder.queryField('apiKeys', (t) =>
  t.prismaField({
    type: [ApiKeyType],
    description: "The caller's API keys, newest first; also those that no longer work.",
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (query, _root, _args, context) =>
      context.services.database.apiKey.findMany({
        ...query,
        where: { userId: requirePrincipal(context).userId },
        orderBy: { id: 'desc' },
      }),
  }),
);

builder.subscriptionField('apiKeysUpdated', (t) =>
  t.field({
    type: [ApiKeyType],
    description:
      "The caller's API keys, as `apiKeys` lists them: now, then whenever they have changed, at most once a second.",
    authScopes: { apiKey: 'KEYS_ADMIN' },
    subscribe: (_root, _args, context) => context.services.apiKeyWatcher.watch(requirePrincipal(context).userId),
    resolve: (apiKeys) => apiKeys,
  }),
);

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: CreatedApiKeyType,
    description: 'Makes an API key. The secret is in this answer and nowhere else, ever.',
    args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'The key.' }) },
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (_root, { input }, context) => createApiKey(context.services, callerOf(context), input),
  }),
  rotateApiKey: t.field({
    type: CreatedApiKeyType,
    description:
      'Puts a new API key, with an id of its own, into the place of another one: same name, scopes and rate, and as long a life. The old one goes on for the overlap.',
    args: {
      id: t.arg.id({ required: true, description: 'The key that is replaced.' }),
      overlapMinutes: t.arg.int({
        required: true,
        description: `How long the old key still works: 0 to ${MAX_OVERLAP_MINUTES}, which is seven days.`,
      }),
    },
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (_root, { id, overlapMinutes }, context) =>
      rotateApiKey(context.services, callerOf(context), checkId(id), overlapMinutes),
  }),
  revokeApiKey: t.field({
    type: ApiKeyType,
    description:
      'Soft delete: the key stops working at once, and within a second in any case, on every node. What was open with it is cut off.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (_root, { id }, context) => revokeApiKey(context.services, callerOf(context), checkId(id)),
  }),
}));
