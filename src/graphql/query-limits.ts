import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives';
import { type GraphQLError, NoSchemaIntrospectionCustomRule, parse, type ValidationContext } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { maxCostRule } from './query-cost.ts';

/** What a document may have at most; docs/security.md lists them. Introspection has limits of graphql's own. */
export const QUERY_LIMITS = {
  /** Names, brackets and values: what parsing and validating a document costs. GraphiQL's longest one has 350. */
  tokens: 2_000,
  depth: 10,
  aliases: 30,
  directives: 30,
  /** Values in the answer. The largest page of tasks with all their fields and events has 53,000. */
  cost: 60_000,
} as const;

/** They report as graphql's own rules do, instead of throwing in the middle of validation. */
const reporting = {
  propagateOnRejection: false,
  onReject: [(context: ValidationContext | null, error: GraphQLError) => context?.reportError(error)],
};

/** Refuses documents that cost too much, before anything of them runs. */
export const limitQueries = (options: { introspection: boolean }): Plugin => {
  const rules = [
    maxDepthRule({ ...reporting, n: QUERY_LIMITS.depth, flattenFragments: true }),
    maxAliasesRule({ ...reporting, n: QUERY_LIMITS.aliases }),
    maxDirectivesRule({ ...reporting, n: QUERY_LIMITS.directives }),
    maxCostRule(QUERY_LIMITS.cost),
    ...(options.introspection ? [] : [NoSchemaIntrospectionCustomRule]),
  ];
  return {
    onParse: ({ setParseFn }) =>
      setParseFn((source: Parameters<typeof parse>[0]) => parse(source, { maxTokens: QUERY_LIMITS.tokens })),
    onValidate: ({ addValidationRule }) => {
      for (const rule of rules) addValidationRule(rule);
    },
  };
};
