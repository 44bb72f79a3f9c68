import type { ArrayFieldItemTemplateProps, IconButtonProps, WrapIfAdditionalTemplateProps } from '@rjsf/utils';
import { ADDITIONAL_PROPERTY_FLAG, getTemplate, getUiOptions } from '@rjsf/utils';
import { Button, IconButton } from '../ui/button.tsx';
import type { IconName } from '../ui/icon.tsx';
import styles from './payload-form.module.css';

const AddButton = ({ id, onClick, disabled }: IconButtonProps) => (
  <Button id={id} icon="submit" isSmall onClick={onClick} disabled={disabled}>
    Add
  </Button>
);

const RemoveButton = (props: IconButtonProps) => <SmallButton {...props} name="close" label="Remove" />;
const CopyButton = (props: IconButtonProps) => <SmallButton {...props} name="copy" label="Copy" />;
const MoveUpButton = (props: IconButtonProps) => <SmallButton {...props} name="up" label="Move up" />;
const MoveDownButton = (props: IconButtonProps) => <SmallButton {...props} name="down" label="Move down" />;

const SmallButton = ({ id, onClick, disabled, name, label }: IconButtonProps & { name: IconName; label: string }) => (
  <IconButton id={id} icon={name} label={label} kind="quiet" isSmall onClick={onClick} disabled={disabled} />
);

/** An item with its buttons at the right. */
const ArrayFieldItemTemplate = ({
  children,
  buttonsProps,
  hasToolbar,
  registry,
  uiSchema,
}: ArrayFieldItemTemplateProps) => {
  const Buttons = getTemplate('ArrayFieldItemButtonsTemplate', registry, getUiOptions(uiSchema));
  return (
    <div className={styles.item}>
      <div className={styles.grow}>{children}</div>
      {hasToolbar && (
        <div className={styles.tools}>
          <Buttons {...buttonsProps} />
        </div>
      )}
    </div>
  );
};

/** A field; one of those that the schema leaves to the user has a name that can be changed, too. */
const WrapIfAdditionalTemplate = (props: WrapIfAdditionalTemplateProps) => {
  const { id, schema, label, children, disabled, onKeyRenameBlur, onRemoveProperty } = props;
  if (!(ADDITIONAL_PROPERTY_FLAG in schema)) return <div className={styles.field}>{children}</div>;
  return (
    <div className={styles.item}>
      <div className={styles.field}>
        <label htmlFor={`${id}-key`}>Name</label>
        <input
          id={`${id}-key`}
          className="form-control"
          defaultValue={label}
          onBlur={onKeyRenameBlur}
          disabled={disabled}
        />
      </div>
      <div className={styles.grow}>{children}</div>
      <div className={styles.tools}>
        <IconButton icon="close" label={`Remove ${label}`} kind="quiet" isSmall onClick={onRemoveProperty} />
      </div>
    </div>
  );
};

/** What looks like the rest of the dashboard; the library's own look is that of another one. */
export const templates = {
  ArrayFieldItemTemplate,
  WrapIfAdditionalTemplate,
  ButtonTemplates: {
    AddButton,
    RemoveButton,
    ClearButton: RemoveButton,
    CopyButton,
    MoveUpButton,
    MoveDownButton,
  },
};
