import { parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { readExamples } from '../../src/server/graphiql-page.ts';

describe('an example of GraphiQL', () => {
  test.each(
    readExamples().map((example) => [example.query.match(/(?:query|mutation|subscription) \w+/)?.[0], example]),
  )('%s is an operation of the schema', (_name, { query, variables }) => {
    const document = parse(query);
    expect(validate(schema, document)).toEqual([]);
    expect(variables && JSON.parse(variables)).toEqual(query.includes('$id') ? { id: '' } : undefined);
  });
});
