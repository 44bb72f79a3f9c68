import styles from './switch.module.css';

interface SwitchProps {
  /** What is on or off. It is read out, and shown when pointed at. */
  label: string;
  isOn: boolean;
  isBusy?: boolean;
  onChange: (isOn: boolean) => void;
}

export const Switch = ({ label, isOn, isBusy = false, onChange }: SwitchProps) => (
  <button
    type="button"
    role="switch"
    aria-checked={isOn}
    aria-label={label}
    title={label}
    disabled={isBusy}
    className={styles.switch}
    onClick={() => onChange(!isOn)}
  />
);
