import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { AuthScopeFailureType } from '@pothos/plugin-scope-auth';
import ValidationPlugin from '@pothos/plugin-validation';
import { ADMINS_ONLY, isLogin, mayRead, watchersForbidden } from '../accounts/principal.ts';
import type { ApiKeyScope } from '../database/generated/client/client.ts';
import type PrismaTypes from '../database/generated/pothos-types.ts';
import { getDatamodel } from '../database/generated/pothos-types.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import { type Context, isAllowed, notAuthenticated } from './context.ts';

export interface SchemaTypes {
  Context: Context;
  PrismaTypes: PrismaTypes;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  AuthScopes: {
    /** Any valid credentials but watch tokens. */
    signedIn: boolean;
    /** Somebody's login, not an API key. */
    login: boolean;
    /** The login of an admin. */
    admin: boolean;
    /** Reading tasks: an API key with TASKS_READ, a login, or a watch token, which shows some tasks only. */
    reader: boolean;
    /** What an API key must allow; a login allows everything. */
    apiKey: ApiKeyScope;
  };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
  };
}

/** Puts the schema together. It defines no types: those stand in one file per domain. */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ScopeAuthPlugin, PrismaPlugin, RelayPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: ({ services }) => services.database,
    dmmf: getDatamodel(),
    onUnusedQuery: null,
  },
  relay: {
    cursorType: 'String',
    edgesFieldOptions: { description: 'The page, with a cursor for each.', nullable: { list: false, items: false } },
    nodeFieldOptions: { nullable: false, description: 'What stands there.' },
    cursorFieldOptions: { description: 'Its place, for `after` and `before`.' },
    pageInfoFieldOptions: { description: 'Where this page stands among all.' },
    hasNextPageFieldOptions: { description: 'Is there more after this page?' },
    hasPreviousPageFieldOptions: { description: 'Is there more before this page?' },
    startCursorFieldOptions: { description: 'The place of its first.' },
    endCursorFieldOptions: { description: 'The place of its last.' },
    firstArgOptions: { description: 'How many, from the beginning or after `after`.' },
    afterArgOptions: { description: 'The cursor of the last one of the page before.' },
    lastArgOptions: { description: 'How many, from the end or before `before`.' },
    beforeArgOptions: { description: 'The cursor of the first one of the page after.' },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    pageInfoTypeOptions: { description: 'Where a page stands among all.' },
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: (context) => ({
      signedIn: context.principal !== undefined && !context.principal.watched,
      login: context.principal !== undefined && isLogin(context.principal),
      admin: context.principal?.isAdmin ?? false,
      reader: context.principal !== undefined && mayRead(context.principal),
      apiKey: (scope) => isAllowed(context, scope),
    }),
    unauthorizedError: (_parent, context, _info, { failure }) => {
      if (!context.principal) return notAuthenticated();
      if (context.principal.watched) return watchersForbidden();
      return new TaskFlowError(
        'FORBIDDEN',
        failure.kind === AuthScopeFailureType.AuthScope ? demand(failure) : 'The credentials do not allow this.',
      );
    },
  },
  validation: {
    validationError: ({ issues }) => {
      const [issue] = issues;
      const field = (issue?.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
      const limit = issue && 'maximum' in issue ? Number(issue.maximum) : undefined;
      return badInput(field, `${field}: ${issue?.message ?? 'is not valid'}`, limit);
    },
  },
});

/** What it would have taken. */
const demand = ({ scope, parameter }: { scope: unknown; parameter: unknown }): string => {
  if (scope === 'login') return 'This takes a login; API keys do not allow it.';
  if (scope === 'admin') return ADMINS_ONLY;
  return `The API key does not allow this. It takes the scope ${scope === 'reader' ? 'TASKS_READ' : parameter}.`;
};

builder.queryType({ description: 'What can be asked.' });
builder.mutationType({ description: 'What can be done.' });
builder.subscriptionType({ description: 'What can be watched, over WebSocket or Server-Sent Events.' });
