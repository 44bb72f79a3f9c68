import { useEffect, useState } from 'react';
import { Button, IconButton } from './button.tsx';
import { showProblem } from './toast.tsx';

const SHOWN_MS = 2_000;

interface CopyButtonProps {
  text: string;
  /** What is copied: "Copy the id". */
  label: string;
  /** Shows the label beside the picture. Default: false. */
  hasWords?: boolean;
}

/** Copies a text, and says that it did. */
export const CopyButton = ({ text, label, hasWords = false }: CopyButtonProps) => {
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setIsCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    try {
      await copyText(text);
      setIsCopied(true);
    } catch {
      const message = 'The browser did not allow copying.';
      showProblem({ code: 'CLIPBOARD', message, help: 'Mark the text and copy it yourself.', field: undefined });
    }
  };
  const icon = isCopied ? 'check' : 'copy';
  const shown = isCopied ? 'Copied' : label;
  return hasWords ? (
    <Button icon={icon} isSmall onClick={copy}>
      {shown}
    </Button>
  ) : (
    <IconButton icon={icon} label={shown} kind="quiet" isSmall onClick={copy} />
  );
};

/** Over plain http, other than on localhost, browsers have no `navigator.clipboard`. */
const copyText = async (text: string): Promise<void> => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  if (!isCopied) throw new Error('not copied');
};
