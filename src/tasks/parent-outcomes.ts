import type { DatabaseSession } from '../database/client.ts';
import { findParentEnds, type ParentEnd, readOutcomes } from './dependency-store.ts';

/** Results and errors that one task is handed, in bytes of JSON: what does not fit any more is left out. */
export const MAX_OUTCOME_BYTES = 4 * 1024 * 1024;

/** What tasks are to be told of their parents, before the results themselves are read. */
export interface OutcomePlan {
  byChild: Map<string, (ParentEnd & { isOmitted: boolean })[]>;
  /** That the results and errors will take, in all children together. */
  bytes: number;
}

/**
 * Decides which results and errors of their parents fit, in the order in which the children name them.
 *
 * @param asOf as in `findParentEnds`
 * @returns only the children of which a parent has ended
 */
export const planOutcomes = async (
  session: DatabaseSession,
  childIds: readonly string[],
  asOf: 'first end' | 'now',
): Promise<OutcomePlan> => {
  const byChild: OutcomePlan['byChild'] = new Map();
  let total = 0;
  for (const [childId, ends] of Map.groupBy(await findParentEnds(session, childIds, asOf), (end) => end.childId)) {
    let bytes = 0;
    const planned = ends.map((end) => {
      const isOmitted = end.bytes === null || bytes + end.bytes > MAX_OUTCOME_BYTES;
      if (!isOmitted) bytes += end.bytes ?? 0;
      return { ...end, isOmitted };
    });
    byChild.set(childId, planned);
    total += bytes;
  }
  return { byChild, bytes: total };
};

/**
 * Reads the results and errors that are planned.
 *
 * @returns by child, a JSON object: what became of each parent, by its name in the flow, or its id. Where the result or error
 * is too large, or the parent is not kept any more, `isOmitted` is true
 */
export const readParentOutcomes = async (
  session: DatabaseSession,
  { byChild }: OutcomePlan,
): Promise<{ id: string; parents: string }[]> => {
  const wanted = new Set<string>();
  for (const ends of byChild.values())
    for (const { parentId, isOmitted, bytes } of ends) if (!isOmitted && bytes) wanted.add(parentId);
  const outcomes = await readOutcomes(session, [...wanted]);
  return [...byChild].map(([id, ends]) => ({
    id,
    parents: `{${ends.map((end) => outcomeText(end, outcomes.get(end.parentId))).join(',')}}`,
  }));
};

/** Results and errors stay the text that their workers sent. */
const outcomeText = (
  { parentId, name, status, isOmitted }: ParentEnd & { isOmitted: boolean },
  outcome: { result: string | null; error: string | null } | undefined,
): string => {
  const fields = [`"taskId":"${parentId}"`, `"status":"${status}"`];
  if (status === 'COMPLETED') fields.push(`"result":${(isOmitted ? null : outcome?.result) ?? 'null'}`);
  if (status === 'FAILED') fields.push(`"error":${(isOmitted ? null : outcome?.error) ?? 'null'}`);
  if (isOmitted) fields.push('"isOmitted":true');
  return `${JSON.stringify(name ?? parentId)}:{${fields.join(',')}}`;
};
