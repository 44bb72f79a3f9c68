import { directUrl, loadConfig } from '../config.ts';
import { connect } from './connect.ts';

/** Far more than an owner's events, a shard's terms or its epochs can have grown between a backup and the loss of what followed it. */
const FEED_JUMP = 10_000_000_000n;
export const EPOCH_JUMP = 1_000_000_000n;

/** How many of each were moved on. */
export interface MovedOn {
  feeds: number;
  shards: number;
}

/**
 * Moves on what PostgreSQL counts and others remember: cursors of feeds, and the terms and epochs of shards. After a backup
 * was restored they would be given out a second time, and whoever remembers one from before the loss would miss what it stands for now.
 * Redis is rebuilt by the next leaders, since its epochs are far behind. Doing it twice does no harm.
 *
 * @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached
 */
export const moveOnAfterRestore = async (databaseUrl: string): Promise<MovedOn> => {
  const client = await connect(databaseUrl);
  try {
    await client.query('BEGIN');
    const feeds = await client.query('UPDATE owner_feeds SET position = position + $1', [FEED_JUMP]);
    const shards = await client.query('UPDATE shards SET term = term + $1, epoch = epoch + $1', [EPOCH_JUMP]);
    await client.query('COMMIT');
    return { feeds: feeds.rowCount ?? 0, shards: shards.rowCount ?? 0 };
  } finally {
    await client.end();
  }
};

/** `taskflow after-restore` */
export const runAfterRestore = async (): Promise<void> => {
  const { feeds, shards } = await moveOnAfterRestore(directUrl(loadConfig(['database'])));
  process.stdout.write(`Moved on ${feeds} feeds and ${shards} shards. Managers rebuild Redis when they start.\n`);
};
