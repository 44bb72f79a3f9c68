import packageJson from '../../package.json' with { type: 'json' };
import { builder } from './builder.ts';

builder.queryField('version', (t) =>
  t.string({
    description: 'Of TaskFlow, as the api that answers runs it: "1.2.3".',
    authScopes: { signedIn: true },
    resolve: () => packageJson.version,
  }),
);
