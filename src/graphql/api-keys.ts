import { isActive } from '../accounts/account-store.ts';
import {
  type API_KEY_SCOPES,
  CreateApiKeySchema,
  type CreatedApiKey,
  createApiKey,
  EXPIRES_IN_DAYS,
  revokeApiKey,
} from '../accounts/api-keys.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { requirePrincipal } from './context.ts';

const ApiKeyScopeType = builder.enumType('ApiKeyScope', {
  description: 'What an API key allows.',
  values: {
    TASKS_READ: { description: 'Reading and watching tasks, queues and workers.' },
    TASKS_WRITE: { description: 'Submitting and changing tasks.' },
    QUEUES_ADMIN: { description: 'Pausing and resuming queues.' },
    KEYS_ADMIN: { description: 'Making, listing and revoking API keys.' },
    WORKER: { description: 'Working on tasks.' },
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
      description: 'When it was last used, to the minute.',
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
      expiresInDays: t.int({ defaultValue: EXPIRES_IN_DAYS.initial, description: `1 to ${EXPIRES_IN_DAYS.max}.` }),
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

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: CreatedApiKeyType,
    description: 'Makes an API key. The secret is in this answer and nowhere else, ever.',
    args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'The key.' }) },
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (_root, { input }, context) =>
      createApiKey(context.services.database, requirePrincipal(context).userId, input),
  }),
  revokeApiKey: t.field({
    type: ApiKeyType,
    description: 'Soft delete: the key stops working at once here, and within a second on every other node.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'KEYS_ADMIN' },
    resolve: (_root, { id }, context) => {
      const { database, authenticator } = context.services;
      return revokeApiKey(database, authenticator, requirePrincipal(context).userId, checkId(id));
    },
  }),
}));
