import type { ComponentProps } from 'react';
import styles from './button.module.css';
import { classes } from './classes.ts';
import { Icon, type IconName } from './icon.tsx';

export interface ButtonLook {
  /** Default: plain. One primary button a page, at most. */
  kind?: 'plain' | 'primary' | 'danger' | 'quiet';
  isSmall?: boolean;
  icon?: IconName;
}

/** The class of what looks like a button: links do, with it. */
export const buttonClass = ({ kind = 'plain', isSmall = false }: ButtonLook = {}): string =>
  classes(styles.button, kind !== 'plain' && styles[kind], isSmall && styles.small);

type ButtonProps = ButtonLook &
  ComponentProps<'button'> & {
    /** What it does goes on: it cannot be pressed again, and says so. */
    isBusy?: boolean;
  };

export const Button = ({
  kind,
  isSmall,
  icon,
  isBusy = false,
  disabled,
  className,
  children,
  ...rest
}: ButtonProps) => (
  <button
    type="button"
    {...rest}
    className={classes(buttonClass({ ...(kind && { kind }), ...(isSmall && { isSmall }) }), className)}
    disabled={disabled || isBusy}
    aria-busy={isBusy || undefined}
  >
    {icon && <Icon name={icon} />}
    {children}
  </button>
);

type IconButtonProps = Omit<ButtonProps, 'children' | 'icon'> & { icon: IconName; label: string };

/** A button without words; `label` is read out, and shown when pointed at. */
export const IconButton = ({ icon, label, className, ...rest }: IconButtonProps) => (
  <Button {...rest} aria-label={label} title={label} className={classes(styles.square, className)}>
    <Icon name={icon} />
  </Button>
);
