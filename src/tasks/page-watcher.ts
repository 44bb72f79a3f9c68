import type { Logger } from 'pino';
import type { Mailbox } from '../realtime/mailbox.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import type { Page, PageRequest } from './page.ts';

/** Which page is watched; as JSON, it is the key. */
interface WatchedPage {
  /** Undefined: everybody's. */
  ownerId: string | undefined;
  page: PageRequest;
}

/** Hands pages of what users have to this node's subscribers; those who watch the same page share its reading. */
export class PageWatcher<T> extends StateWatcher<Page<T>> {
  /**
   * @param what for the log: "the list of flows"
   * @param read a page of an owner's; of everybody's, where it is undefined
   */
  constructor(
    what: string,
    read: (ownerId: string | undefined, page: PageRequest) => Promise<Page<T>>,
    logger: Logger,
  ) {
    super({
      read: (key) => {
        const { ownerId, page } = JSON.parse(key) as WatchedPage;
        return read(ownerId, page);
      },
      ...everySecond(what, logger),
    });
  }

  /**
   * @param ownerId whose; undefined for an admin: everybody's
   * @throws what reading throws, to begin
   */
  watchPage(ownerId: string | undefined, { first, after, last, before }: PageRequest): Promise<Mailbox<Page<T>>> {
    return this.watch(JSON.stringify({ ownerId, page: { first, after, last, before } } satisfies WatchedPage));
  }
}
