import { useState } from 'react';
import { useMutation } from 'urql';
import { ActionDialog } from '../ui/action-form.tsx';
import { Button } from '../ui/button.tsx';
import { SelectField } from '../ui/choices.tsx';
import { TextField } from '../ui/field.tsx';
import { Panel } from '../ui/page.tsx';
import { exactTime } from '../ui/time.tsx';
import { CreateWatchTokenDocument, type CreateWatchTokenMutation } from './keys.generated.ts';
import styles from './keys-page.module.css';
import { SecretDialog } from './secret-dialog.tsx';

const LIVES = [
  { value: '15', label: '15 minutes' },
  { value: '60', label: 'An hour' },
  { value: '480', label: '8 hours' },
  { value: '1440', label: 'A day' },
];

type WatchToken = CreateWatchTokenMutation['createWatchToken'];

/** The API keeps no list of them: they end by themselves. */
export const WatchTokens = () => {
  const [opened, setOpened] = useState<'create' | WatchToken>();
  const close = (): void => setOpened(undefined);
  return (
    <Panel title="Watch tokens">
      <p className={styles.intro}>
        For the browsers of people without an account, as your own customers’: a watch token reads and watches the tasks
        that it was made for, and nothing else, for a while. It ends when you change your password.
      </p>
      <Button onClick={() => setOpened('create')}>New watch token</Button>
      {opened === 'create' && <CreateDialog onClose={close} onCreated={setOpened} />}
      {typeof opened === 'object' && (
        <SecretDialog
          kind="token"
          title={`A watch token until ${exactTime(opened.expiresAt)}`}
          secret={opened.token}
          onClose={close}
        />
      )}
    </Panel>
  );
};

/** What was typed in, separated by commas or spaces. */
const words = (text: FormDataEntryValue | null): string[] =>
  String(text ?? '')
    .split(/[\s,]+/)
    .filter((word) => word !== '');

const CreateDialog = ({ onClose, onCreated }: { onClose: () => void; onCreated: (token: WatchToken) => void }) => {
  const [, create] = useMutation(CreateWatchTokenDocument);
  const submit = async (values: FormData) => {
    const taskIds = words(values.get('taskIds'));
    const tags = words(values.get('tags'));
    const { data, error } = await create({
      input: {
        ...(taskIds.length > 0 && { taskIds }),
        ...(tags.length > 0 && { tags }),
        expiresInMinutes: Number(values.get('expiresInMinutes')),
      },
    });
    if (data) onCreated(data.createWatchToken);
    return error;
  };
  return (
    <ActionDialog title="New watch token" action="Create the token" submit={submit} onClose={onClose}>
      {(errorOf) => (
        <>
          <TextField
            label="Tags"
            name="tags"
            autoComplete="off"
            hint="It shows your tasks that have all of these, also later ones. Put commas between."
            error={errorOf('tags')}
          />
          <TextField
            label="Task ids"
            name="taskIds"
            autoComplete="off"
            hint="And these tasks. Name a tag or an id at least."
            error={errorOf('taskIds')}
          />
          <SelectField
            label="Works for"
            name="expiresInMinutes"
            choices={LIVES}
            defaultValue="60"
            error={errorOf('expiresInMinutes')}
          />
        </>
      )}
    </ActionDialog>
  );
};
