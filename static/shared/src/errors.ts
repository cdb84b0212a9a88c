/** What the hub says when it refuses, and what we say when it does not answer. */

/** The envelope of the REST interface, which RPCs share. */
export interface Envelope {
  readonly code: string;
  readonly msg: string;
  readonly field?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly request_id?: string;
}

/** An RPC that was not done; `message` is fit to be shown where `code` is one of the house. */
export class RpcError extends Error {
  override readonly name = 'RpcError';

  constructor(
    readonly envelope: Envelope,
    /** Asking the very same again may work. */
    readonly temporary = false,
  ) {
    super(envelope.msg);
  }

  get code(): string {
    return this.envelope.code;
  }

  get field(): string | undefined {
    return this.envelope.field;
  }
}

const AGAIN_LATER = new Set(['rate_limited', 'upstream_down', 'internal']);

/** Unwrap `{result}` or `{error}`.
 *
 * @throws RpcError for a refusal, and for an answer that is neither.
 */
export function unwrap(answer: unknown): unknown {
  if (isRecord(answer)) {
    if (isRecord(answer.error)) {
      const envelope = answer.error as unknown as Envelope;
      throw new RpcError(envelope, AGAIN_LATER.has(envelope.code));
    }
    if ('result' in answer) return answer.result;
  }
  throw new RpcError({ code: 'bad_answer', msg: '服务器的回答无法识别' });
}

/** Turn an error of the SDK, `{code, message, temporary?}`, into ours.
 *
 * Codes below 100 are the SDK's own: no link, no answer in time.
 */
export function fromProtocol(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const { code, temporary } = isRecord(error) ? error : {};
  if (typeof code !== 'number' || code < 100) {
    return new RpcError({ code: 'unreachable', msg: '网络不可用，请稍后再试' }, true);
  }
  if (code === 111) return new RpcError({ code: 'rate_limited', msg: '操作过于频繁，请稍后再试' }, true);
  return new RpcError({ code: `protocol_${code}`, msg: '服务器拒绝了请求' }, temporary === true);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
