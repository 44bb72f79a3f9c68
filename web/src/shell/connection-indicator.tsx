import { useConnection } from '../live/connection.ts';
import { retryNow } from '../live/socket.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { useNow } from '../ui/time.tsx';
import styles from './shell.module.css';

const WORDS = { connecting: 'Connecting', live: 'Live', lost: 'Not connected' } as const;

/** In the sidebar: is what is on the page as it is now? */
export const ConnectionIndicator = () => {
  const { status } = useConnection();
  return (
    <div className={styles.connection} data-status={status} role="status">
      <span className={styles.dot} />
      {WORDS[status]}
    </div>
  );
};

/** Over the page, while the connection is cut. */
export const ConnectionBanner = () => {
  const connection = useConnection();
  if (connection.status !== 'lost') return null;
  return (
    <div className={styles.banner} role="alert">
      <Icon name="warning" />
      <span>The connection to the api is cut. What is shown may be old; nothing will be missed.</span>
      <NextTry retryAtMs={connection.retryAtMs} />
      <Button isSmall onClick={retryNow}>
        Try now
      </Button>
    </div>
  );
};

/** Not read out each second. */
const NextTry = ({ retryAtMs }: { retryAtMs: number | undefined }) => {
  const now = useNow();
  const seconds = Math.max(Math.ceil(((retryAtMs ?? now) - now) / 1_000), 0);
  return <span aria-hidden="true">{seconds > 0 ? `Next try in ${seconds} s` : 'Trying …'}</span>;
};
