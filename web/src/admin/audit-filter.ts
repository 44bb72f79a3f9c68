import type { AuditAction, AuditWhere } from '../schema.generated.ts';
import { ACTION_NAMES } from './audit-actions.ts';

/** What the audit log is filtered by, as it stands in the address. */
export interface AuditFilter {
  action?: AuditAction;
  actorId?: string;
  target?: string;
  address?: string;
  /** ISO 8601 in UTC. */
  since?: string;
  until?: string;
}

/** What stands in the address of the page for admins. */
export interface AdminSearch extends AuditFilter {
  /** A part of the emails or usernames of the users that are shown. */
  user?: string;
}

const TEXTS = ['actorId', 'target', 'address'] as const;
const TIMES = ['since', 'until'] as const;

/** What is not a filter is left out. */
export const readAuditFilter = (search: Record<string, unknown>): AuditFilter => {
  const filter: AuditFilter = {};
  if (typeof search.action === 'string' && search.action in ACTION_NAMES) filter.action = search.action as AuditAction;
  for (const name of TEXTS) if (typeof search[name] === 'string' && search[name] !== '') filter[name] = search[name];
  for (const name of TIMES) {
    const ms = Date.parse(String(search[name]));
    if (!Number.isNaN(ms)) filter[name] = new Date(ms).toISOString();
  }
  return filter;
};

export const readAdminSearch = ({ user, ...search }: Record<string, unknown>): AdminSearch => ({
  ...readAuditFilter(search),
  ...(typeof user === 'string' && user !== '' && { user }),
});

export const toWhere = ({ action, ...rest }: AuditFilter): AuditWhere => ({
  ...rest,
  ...(action && { action: [action] }),
});

/** For an input of the type datetime-local, by the clocks of the browser. */
export const toLocal = (at: string | undefined): string => {
  if (at === undefined) return '';
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};
