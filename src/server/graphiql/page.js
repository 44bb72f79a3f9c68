// Runs in the page of GraphiQL, before it is shown. The page has the script of graphql-ws as well, and no other files.

/** Where the dashboard keeps its session in this browser. */
const SESSION_KEY = 'taskflow.session';
/** Mutations whose answer holds a token of the caller's. */
const LOGINS = ['signUp', 'login', 'renewSession', 'changePassword'];

let token;
let lastTaskId = '';

const storedToken = () => {
  try {
    return JSON.parse(localStorage.getItem(SESSION_KEY))?.token;
  } catch {
    return undefined;
  }
};

/** What was typed in goes first; then the last login in this page, then that to the dashboard. */
const withCredentials = (headers = {}) => {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  if (names.includes('authorization') || names.includes('x-api-key')) return headers;
  const known = token ?? storedToken();
  return known ? { ...headers, authorization: `Bearer ${known}` } : headers;
};

const noteAnswer = (data) => {
  for (const name of LOGINS) token = data?.[name]?.token ?? token;
  lastTaskId = data?.createTask?.id ?? lastTaskId;
};

const ask = async (url, request, headers) => {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', ...withCredentials(headers) },
    body: JSON.stringify(request),
  });
  const result = await answer.json();
  noteAnswer(result.data);
  return result;
};

/** A socket that is closed says why in an event, of which GraphiQL would show nothing. */
const readable = (failure) => {
  throw failure instanceof CloseEvent
    ? new Error(`${failure.code}: ${failure.reason || 'the connection was closed'}`)
    : failure;
};

/** Its socket is closed with its last result, or when it is stopped. */
const subscribe = (url, request, headers) => {
  const client = globalThis.graphqlWs.createClient({ url, connectionParams: withCredentials(headers) });
  const results = client.iterate(request);
  return {
    next: () => results.next().catch(readable),
    return: () => results.return(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

const isSubscription = (document, operationName) =>
  document?.definitions.some(
    ({ operation, name }) => operation === 'subscription' && (!operationName || name?.value === operationName),
  );

/**
 * The tab that was open last. Without it GraphiQL opens an empty one at each visit beside those that it has kept; a link with an
 * operation opens that.
 */
const lastTab = () => {
  if (new URL(location.href).searchParams.has('query')) return {};
  const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem('graphiql:tabState')) ?? {};
  const { query, variables, headers } = tabs?.[activeTabIndex] ?? {};
  return query ? { initialQuery: query, initialVariables: variables ?? '', initialHeaders: headers ?? '' } : {};
};

/** What opens another tab, or closes one. */
const TAB_BUTTON = '[role="tab"] button, .graphiql-tab-add';

/**
 * GraphiQL reads the operations of a tab only 100 ms after the tab was opened, or later where the machine is busy. Until then its
 * button and its keys offer, and run, those of the tab before; so editors and buttons take nothing before it has read them.
 */
const holdSession = ({ target }) => {
  if (target.closest(TAB_BUTTON)) document.getElementById('graphiql-session').inert = true;
};

/** Is called whenever the operations have been read; links to them, as the library's own does. */
const onEditQuery = (query) => {
  document.getElementById('graphiql-session').inert = false;
  const link = new URL(location.href);
  link.searchParams.set('query', query);
  history.replaceState({}, '', link);
};

globalThis.renderTaskFlowGraphiQL = (root, options) => {
  const url = new URL(location.pathname, location.href);
  const socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const fetcher = ({ query, operationName, variables }, { headers, documentAST } = {}) => {
    const request = { query, operationName, variables };
    if (variables?.id === '') request.variables = { ...variables, id: lastTaskId };
    return isSubscription(documentAST, operationName)
      ? subscribe(socketUrl.href, request, headers)
      : ask(url.href, request, headers);
  };
  document.addEventListener('click', holdSession);
  globalThis.YogaGraphiQL.renderYogaGraphiQL(root, { ...options, ...lastTab(), fetcher, onEditQuery });
};
