import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('./graphiql/', import.meta.url);
const EXAMPLES = new URL('examples/', FOLDER);

/** Beside the place where the package's code lies, in a form that pages can use. */
const GRAPHQL_WS = new URL('../umd/graphql-ws.min.js', import.meta.resolve('graphql-ws'));

export interface Example {
  query: string;
  /** JSON text, for those that need any. */
  variables?: string;
}

/** The operations with which GraphiQL opens, a tab each. */
export const readExamples = (): Example[] =>
  readdirSync(EXAMPLES)
    .sort()
    .map((file) => {
      const query = readFileSync(new URL(file, EXAMPLES), 'utf8');
      return query.includes('$id: ID!') ? { query, variables: '{\n  "id": ""\n}' } : { query };
    });

/** What the library's page calls in the end, which ours wraps, and where it shows GraphiQL. */
const RENDER = 'YogaGraphiQL.renderYogaGraphiQL(';
const ROOT = '<div id="root"></div>';

/**
 * GraphiQL as a page that needs no other files: the library's, with examples, subscriptions over graphql-ws, and the credentials of
 * the last login.
 *
 * @throws Error when the library's page is not what it was
 */
export const renderGraphiQLPage = (): Promise<string> => {
  page ??= renderPage();
  return page;
};

/** It is always the same, and has 9 MB. */
let page: Promise<string> | undefined;

const renderPage = async (): Promise<string> => {
  // Most processes never show it, and it takes 65 ms to load.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({
    title: 'TaskFlow',
    defaultTabs: readExamples(),
    defaultEditorToolsVisibility: 'variables',
  });
  const call = html.lastIndexOf(RENDER);
  if (call < 0 || !html.includes(ROOT)) throw new Error('GraphiQL is rendered in another way than it was');
  const scripts = [GRAPHQL_WS, new URL('page.js', FOLDER)].map(
    (file) => `<script>${readFileSync(file, 'utf8')}</script>`,
  );
  const wrapped = `${html.slice(0, call)}renderTaskFlowGraphiQL(${html.slice(call + RENDER.length)}`;
  return wrapped.replace(ROOT, () => `${ROOT}${scripts.join('')}`);
};
