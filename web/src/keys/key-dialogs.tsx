import { useMutation } from 'urql';
import type { ApiKeyScope } from '../schema.generated.ts';
import { useSession } from '../session/session.ts';
import { ActionDialog } from '../ui/action-form.tsx';
import { Checkboxes, SelectField } from '../ui/choices.tsx';
import { TextField } from '../ui/field.tsx';
import type { ApiKey } from './key-table.tsx';
import { CreateApiKeyDocument, RevokeApiKeyDocument, RotateApiKeyDocument } from './keys.generated.ts';
import { SCOPES } from './scopes.ts';

const LIVES = [
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'A year' },
  { value: '0', label: 'For ever, where this installation allows it' },
];

const OVERLAPS = [
  { value: '0', label: 'Ends at once' },
  { value: '60', label: 'Works for an hour' },
  { value: '1440', label: 'Works for a day' },
  { value: '10080', label: 'Works for a week' },
];

interface CreateKeyDialogProps {
  onClose: () => void;
  onCreated: (secret: string, name: string) => void;
}

export const CreateKeyDialog = ({ onClose, onCreated }: CreateKeyDialogProps) => {
  const [, create] = useMutation(CreateApiKeyDocument);
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const scopes = Object.entries(SCOPES).filter(([, { isForAdmins }]) => isAdmin || !isForAdmins);
  const submit = async (values: FormData) => {
    const rate = String(values.get('rateLimitPerHour') ?? '');
    const { data, error } = await create({
      input: {
        name: String(values.get('name')),
        scopes: values.getAll('scopes') as ApiKeyScope[],
        expiresInDays: Number(values.get('expiresInDays')),
        rateLimitPerHour: rate === '' ? null : Number(rate),
      },
    });
    if (data) onCreated(data.createApiKey.secret, data.createApiKey.apiKey.name);
    return error;
  };
  return (
    <ActionDialog title="New API key" action="Create the key" submit={submit} onClose={onClose}>
      {(errorOf) => (
        <>
          <TextField
            label="Name"
            name="name"
            required
            maxLength={100}
            autoComplete="off"
            hint="Which program will use it: “nightly reports”"
            error={errorOf('name')}
          />
          <Checkboxes
            label="What it may do"
            name="scopes"
            choices={scopes.map(([value, { label, hint }]) => ({ value, label, hint }))}
            defaultChecked={['TASKS_READ', 'TASKS_WRITE']}
          />
          <SelectField
            label="Works for"
            name="expiresInDays"
            choices={LIVES}
            defaultValue="30"
            error={errorOf('expiresInDays')}
          />
          <TextField
            label="Requests in an hour"
            name="rateLimitPerHour"
            type="number"
            min={1}
            hint="A limit of its own. Empty: they count as yours."
            error={errorOf('rateLimitPerHour')}
          />
        </>
      )}
    </ActionDialog>
  );
};

interface RotateKeyDialogProps {
  apiKey: ApiKey;
  onClose: () => void;
  onRotated: (secret: string, name: string) => void;
}

export const RotateKeyDialog = ({ apiKey: { id, name }, onClose, onRotated }: RotateKeyDialogProps) => {
  const [, rotate] = useMutation(RotateApiKeyDocument);
  const submit = async (values: FormData) => {
    const { data, error } = await rotate({ id, overlapMinutes: Number(values.get('overlapMinutes')) });
    if (data) onRotated(data.rotateApiKey.secret, name);
    return error;
  };
  return (
    <ActionDialog title={`Rotate “${name}”`} action="Rotate the key" submit={submit} onClose={onClose}>
      {(errorOf) => (
        <>
          <p>A new key takes its place, with the same name, scopes and length of life.</p>
          <SelectField
            label="The old key"
            name="overlapMinutes"
            choices={OVERLAPS}
            defaultValue="60"
            hint="Time to give the new key to the programs that use the old one."
            error={errorOf('overlapMinutes')}
          />
        </>
      )}
    </ActionDialog>
  );
};

interface RevokeKeyDialogProps {
  apiKey: ApiKey;
  onClose: () => void;
  onRevoked: () => void;
}

export const RevokeKeyDialog = ({ apiKey: { id, name, prefix }, onClose, onRevoked }: RevokeKeyDialogProps) => {
  const [, revoke] = useMutation(RevokeApiKeyDocument);
  const submit = async () => {
    const { error } = await revoke({ id });
    if (!error) onRevoked();
    return error;
  };
  return (
    <ActionDialog title={`Revoke “${name}”?`} action="Revoke the key" kind="danger" submit={submit} onClose={onClose}>
      <p>
        The key that begins with <span className="mono">{prefix}</span> stops working at once, everywhere, and what is
        open with it is cut off. This cannot be undone.
      </p>
    </ActionDialog>
  );
};
