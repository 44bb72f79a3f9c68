import { Button } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog, DialogActions } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import styles from './keys-page.module.css';

interface SecretDialogProps {
  kind: 'key' | 'token';
  secret: string;
  title: string;
  onClose: () => void;
}

const HEADERS = { key: 'X-API-Key: ', token: 'Authorization: Bearer ' };
const EXAMPLES = { key: '{ me { username } }', token: '{ tasks { edges { node { id status } } } }' };

/** Shows a secret the only time that the API tells it. A press beside the dialog does not close it. */
export const SecretDialog = ({ kind, secret, title, onClose }: SecretDialogProps) => {
  const curl = `curl ${location.origin}/graphql \\
  -H 'Content-Type: application/json' \\
  -H '${HEADERS[kind]}${secret}' \\
  -d '${JSON.stringify({ query: EXAMPLES[kind] })}'`;
  return (
    <Dialog title={title} isSticky onClose={onClose}>
      <p className={styles.warning}>
        <Icon name="warning" />
        <span>It is shown this once. Copy it now and keep it safe: whoever has it may do what it allows.</span>
      </p>
      <div className={styles.copyable}>
        <pre className={styles.secret}>{secret}</pre>
        <CopyButton text={secret} label={`Copy the ${kind}`} hasWords />
      </div>
      <details className={styles.copyable}>
        <summary>Try it with curl</summary>
        <pre className={styles.secret}>{curl}</pre>
        <CopyButton text={curl} label="Copy the command" hasWords />
      </details>
      <DialogActions>
        <Button kind="primary" onClick={onClose}>
          I have kept it
        </Button>
      </DialogActions>
    </Dialog>
  );
};
