/** What a code that was scanned is, before anybody is asked about it. */

export type Shown =
  /** A code of ours; `kind` is its letter, or `page` where it is an address. */
  | { readonly what: 'code'; readonly code: string; readonly kind: string }
  /** A page of this app. */
  | { readonly what: 'page'; readonly path: string }
  /** Anything else: explained, never followed, and sent nowhere. */
  | { readonly what: 'foreign'; readonly text: string };

const OURS = /^RD1\.([A-Za-z]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** Pages that a code may lead to, because they only ask or show something. */
const PAGES = /^\/(?:qr-login\/[0-9A-Z]{26}|meetings\/[0-9A-Z]{26}\/check-in)$/;
/** Pages of ours of which the hub has to say what they are. */
const KNOWN = /^\/(?:meetings|notices|papers)\/[0-9A-Z]{26}(?:\/[a-z-]{1,32})?$/;

/** Tell what a text is; `origin` is where this app comes from. */
export function reading(text: string, origin: string): Shown {
  const shown = text.trim();
  const bare = OURS.exec(shown);
  if (bare) return { what: 'code', code: shown, kind: bare[1] ?? '' };
  const hash = shown.startsWith(`${origin}/h5/#`) ? shown.slice(`${origin}/h5/#`.length) : undefined;
  if (hash !== undefined) {
    const [path = '', query = ''] = hash.split('?', 2);
    const code = path === '/scan' ? new URLSearchParams(query).get('code') : null;
    if (code !== null) return reading(code, '');
    if (PAGES.test(path)) return { what: 'page', path };
    if (KNOWN.test(path)) return { what: 'code', code: shown, kind: 'page' };
  }
  return { what: 'foreign', text: shown };
}

/** Say what a foreign code holds, without doing anything about it. */
export function explained(text: string): string {
  if (/^https?:\/\//i.test(text)) {
    const host = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1] ?? '';
    return `这是一个网址（${host}），不是本系统的二维码。为了安全，没有打开它。`;
  }
  if (/^(?:weixin|wxp|alipay)/i.test(text)) return '这是支付或添加好友的二维码，不是本系统的二维码。没有执行任何操作。';
  return '这不是本系统的二维码。没有执行任何操作。';
}
