import { MAX_POSITION, WAIT_KINDS, type WaitReason } from '../tasks/wait-reason.ts';
import { builder } from './builder.ts';

const WAIT_KIND_DESCRIPTIONS = {
  NOT_DUE: 'It is to run later.',
  BACKOFF: 'An attempt failed, and the next one is not due.',
  DEPENDENCY: 'Tasks that it depends on have not ended.',
  PAUSED: 'Its queue is paused.',
  NO_WORKER: 'No worker that lives serves its queue and its type.',
  BEHIND: 'Workers are busy with others.',
} as const;

const WaitKindType = builder.enumType('WaitKind', {
  description: 'Why a task does not run yet.',
  values: Object.fromEntries(WAIT_KINDS.map((kind) => [kind, { description: WAIT_KIND_DESCRIPTIONS[kind] }])) as Record<
    keyof typeof WAIT_KIND_DESCRIPTIONS,
    { description: string }
  >,
});

export const WaitReasonType = builder.objectRef<WaitReason>('WaitReason').implement({
  description: 'Why a task does not run yet, as it was a moment ago.',
  fields: (t) => ({
    kind: t.expose('kind', {
      type: WaitKindType,
      description: `What holds it back; of several, the first in this order: ${WAIT_KINDS.join(', ')}.`,
    }),
    until: t.expose('until', {
      type: 'DateTime',
      nullable: true,
      description: 'With NOT_DUE and BACKOFF: when it is due.',
    }),
    position: t.exposeInt('position', {
      nullable: true,
      description: `With BEHIND: about how many tasks of its queue and type go before it; null beyond ${MAX_POSITION}, and for a task on its way into or out of the line.`,
    }),
  }),
});
