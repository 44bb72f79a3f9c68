import type { Need } from '../../src/config.ts';

/** The processes of an installation, by SERVICE_TYPE, with what their settings must have. */
export const NEEDS: Readonly<Record<string, Need[]>> = {
  api: ['database', 'secret'],
  manager: ['database'],
  janitor: ['database'],
  migrate: ['database'],
  worker: [],
};
