import { whileBusy } from '../../src/database/while-busy.ts';
import type { Session } from './session.ts';

/** From yesterday (clocks differ) for a week ahead: so long may nothing make partitions without harm. */
const DAYS = 9;
const FROM = "now() - interval '1 day'";

/** Makes the partitions of the coming days. @returns for how many days */
export const makePartitions = async (session: Session, signal: AbortSignal): Promise<number> => {
  const [row] = await whileBusy(
    () => session.query<{ made: number }>(`SELECT taskflow_ensure_partitions(${FROM}, $1) AS made`, [DAYS]),
    signal,
  );
  return row?.made ?? 0;
};

/** @returns for how many days `makePartitions` would make some */
export const countMissingPartitions = async (session: Session): Promise<number> => {
  const [row] = await session.query<{ count: string }>(`SELECT count(*) FROM taskflow_missing_days(${FROM}, $1)`, [
    DAYS,
  ]);
  return Number(row?.count);
};
