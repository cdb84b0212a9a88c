/** The hub under test, as its environment names it, and what a test does to it from outside. */

export interface House {
  readonly url: string;
  /** The server API, and the key for it. */
  readonly api: string;
  readonly apiKey: string;
  readonly username: string;
  readonly password: string;
}

/** Answer the hub to test against, or nothing where there is none. */
export function house(): House | undefined {
  const { HUB_URL: url, HUB_API_URL: api, HUB_API_KEY: apiKey } = process.env;
  const { HUB_USERNAME: username, HUB_PASSWORD: password } = process.env;
  return url && api && apiKey && username && password ? { url, api, apiKey, username, password } : undefined;
}

/** Call the server API. */
export async function server(hub: House, method: string, params: object): Promise<void> {
  const reply = await post(`${hub.api}/${method}`, params, { 'X-API-Key': hub.apiKey });
  if ('error' in reply) throw new Error(JSON.stringify(reply));
}

let told = 0;

/** Announce something on a channel, and answer its id. */
export async function tell(hub: House, channel: string, id = `e${++told}`): Promise<string> {
  const data = { id, type: 'test.told', v: 1, at: new Date().toISOString() };
  await server(hub, 'publish', { channel, data });
  return id;
}

/** Log in, and answer the login token and the person's id. */
export async function login(hub: House): Promise<{ token: string; id: string }> {
  const { username, password } = hub;
  const opened = await post(`${hub.url}/api/v1/session`, { username, password });
  const claims = await post(`${hub.url}/api/v1/realtime/token`, {}, { Authorization: `Bearer ${opened.token}` });
  const payload = Buffer.from(String(claims.token).split('.')[1] ?? '', 'base64url').toString();
  return { token: String(opened.token), id: (JSON.parse(payload) as { sub: string }).sub };
}

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as Record<string, unknown>;
}
