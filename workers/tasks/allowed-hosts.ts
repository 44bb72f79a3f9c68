import { DoNotRetryError } from '../runtime/define-task.ts';

const USUAL_PORTS = { 'http:': '80', 'https:': '443' } as const;

const matches = (rule: string, { hostname, port, protocol }: URL): boolean => {
  const [name = '', rulePort] = rule.split(':');
  const asked = port || USUAL_PORTS[protocol as keyof typeof USUAL_PORTS];
  const isPort = rulePort === undefined ? Object.values<string>(USUAL_PORTS).includes(asked) : rulePort === asked;
  const isName = name === '*' || (name.startsWith('*.') ? hostname.endsWith(name.slice(1)) : hostname === name);
  return isPort && isName;
};

/**
 * Reads a URL that a task wants to ask.
 *
 * @param rules hosts that may be asked: "api.example.com", "*.example.com" for those below it, "*" for any; with a port after a
 *   colon, or else by 80 and 443
 * @param base of a relative one, as in a redirect
 * @throws DoNotRetryError URL_NOT_ALLOWED or HOST_NOT_ALLOWED
 */
export const checkUrl = (text: string, rules: readonly string[], base?: URL): URL => {
  const url = URL.parse(text, base);
  if (!url || !(url.protocol in USUAL_PORTS)) {
    throw new DoNotRetryError(`"${text}" is no http or https URL`, { code: 'URL_NOT_ALLOWED' });
  }
  if (url.username !== '' || url.password !== '') {
    throw new DoNotRetryError('the URL must not carry a password: use a header', { code: 'URL_NOT_ALLOWED' });
  }
  if (!rules.some((rule) => matches(rule, url))) {
    throw new DoNotRetryError(`"${url.host}" is not among the hosts that may be asked`, { code: 'HOST_NOT_ALLOWED' });
  }
  return url;
};
