/** What lets a device in: the link behind the QR code that the staff desk shows, or a token that is pasted. */

export interface Ticket {
  readonly token: string;
  readonly meetingId: string;
}

const MEETING = /^[0-9A-Z]{26}$/;
const TOKEN = /^dev-[\w-]{20,200}$/;

/** A ticket out of `…/gate/#m=<meeting>&t=<token>` (or `…/screen/#…`), or nothing. */
export function ticketIn(text: string): Ticket | undefined {
  const at = text.indexOf('#');
  if (at < 0) return undefined;
  const said = new URLSearchParams(text.slice(at + 1).trim());
  return ticket(said.get('t') ?? '', said.get('m') ?? '');
}

export function ticket(token: string, meetingId: string): Ticket | undefined {
  const found = { token: token.trim(), meetingId: meetingId.trim().toUpperCase() };
  return TOKEN.test(found.token) && MEETING.test(found.meetingId) ? found : undefined;
}
