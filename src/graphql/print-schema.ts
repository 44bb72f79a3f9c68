import { writeFileSync } from 'node:fs';
import { printedSchema } from './schema.ts';

/** Writes schema.graphql. Run it whenever the schema has changed: `node src/graphql/print-schema.ts`. */
writeFileSync(new URL('../../schema.graphql', import.meta.url), printedSchema());
