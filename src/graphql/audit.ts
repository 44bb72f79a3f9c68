import type { InputShapeFromFields } from '@pothos/core';
import { AUDIT_ACTIONS, type AuditAction } from '../accounts/audit-actions.ts';
import { AUDIT_PAGE, type AuditPage, findAuditEntries } from '../accounts/find-audit-entries.ts';
import type { WatchedAudit } from '../accounts/watch-accounts.ts';
import { toConnection } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';

const AuditActionType = builder.enumType('AuditAction', {
  description: 'What somebody did.',
  values: Object.fromEntries(
    Object.entries(AUDIT_ACTIONS).map(([name, description]) => [name, { description }]),
  ) as Record<AuditAction, { description: string }>,
});

const AuditEntryType = builder.prismaObject('AuditEntry', {
  description: 'Who did what. Entries outlive the accounts they speak of.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When; of counted entries, the first time.' }),
    actorId: t.exposeID('actorId', {
      nullable: true,
      description: 'The user who did it; null for nobody known, and for the command line.',
    }),
    action: t.field({
      type: AuditActionType,
      description: 'What was done.',
      resolve: ({ action }) => action as AuditAction,
    }),
    target: t.exposeString('target', {
      nullable: true,
      description: "The id of what it was done to, or a queue's name.",
    }),
    address: t.exposeString('address', { nullable: true, description: "The client's." }),
    count: t.exposeInt('count', { description: 'How often: failed logins of a minute are counted together.' }),
    detail: t.expose('detail', { type: 'JSON', nullable: true, description: 'More about it.' }),
  }),
});

const AuditConnection = builder.connectionObject(
  { type: AuditEntryType, name: 'AuditConnection', description: 'A page of the audit log.' },
  { name: 'AuditEdge', description: 'An entry with its place among the others.' },
);

const AuditWhereType = builder.inputType('AuditWhere', {
  description: 'Which entries: all that is given must hold.',
  fields: (t) => ({
    action: t.field({ type: [AuditActionType], description: 'One of these actions.' }),
    actorId: t.id({ description: 'Done by this user.' }),
    target: t.string({ description: 'Done to this.' }),
    address: t.string({ description: 'Done from this address.' }),
    since: t.field({ type: 'DateTime', description: 'At this time or later.' }),
    until: t.field({ type: 'DateTime', description: 'Before this time.' }),
  }),
});

const AuditArguments = builder.args((t) => ({
  where: t.field({ type: AuditWhereType, description: 'Which entries. Default: all.' }),
  first: t.int({ description: `How many. Default: ${AUDIT_PAGE.initial}.` }),
  after: t.string({ description: 'The cursor of the last one of the page before.' }),
}));

const toWatched = ({ where, first, after }: InputShapeFromFields<typeof AuditArguments>): WatchedAudit => ({
  where: { ...where, actorId: where?.actorId ? checkId(where.actorId, 'where.actorId') : undefined },
  first: first ?? undefined,
  after: after ? checkId(after, 'after') : undefined,
});

const connectionOfEntries = ({ entries, hasNextPage }: AuditPage, after: string | null | undefined) =>
  toConnection({ nodes: entries, hasNextPage, hasPreviousPage: Boolean(after) });

builder.queryField('auditLog', (t) =>
  t.field({
    type: AuditConnection,
    description: `Who did what, newest first, at most ${AUDIT_PAGE.max} a page. For admins.`,
    args: AuditArguments,
    authScopes: { admin: true },
    resolve: async (_root, args, { services }) => {
      const { where, first, after } = toWatched(args);
      const page = await services.lists.read((database) => findAuditEntries(database, where, first, after));
      return connectionOfEntries(page, after);
    },
  }),
);

builder.subscriptionField('auditLogUpdated', (t) =>
  t.field({
    type: AuditConnection,
    description:
      'A page of the audit log, as `auditLog` gives it: now, then whenever there are others on it, at most once a second. For admins.',
    args: AuditArguments,
    authScopes: { admin: true },
    subscribe: (_root, args, { services }) => services.auditWatcher.watchAudit(toWatched(args)),
    resolve: (page, { after }) => connectionOfEntries(page, after),
  }),
);
