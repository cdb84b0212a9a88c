import { expect, it } from 'vitest';

import { RpcError, fromProtocol, unwrap } from '../src/errors.js';

it('unwraps a result, also one that is nothing', () => {
  expect(unwrap({ result: { now: 'x' } })).toEqual({ now: 'x' });
  expect(unwrap({ result: null })).toBeNull();
});

it('throws the refusal of the house with its field and its words', () => {
  const refuse = (): unknown => unwrap({ error: { code: 'invalid', msg: '标题不能为空', field: 'title' } });
  expect(refuse).toThrow(RpcError);
  expect(refuse).toThrow('标题不能为空');
  expect(refuse).toThrow(expect.objectContaining({ code: 'invalid', field: 'title', temporary: false }));
});

it.each([{}, null, 'ok', { error: 'x' }, undefined])('takes %j for no answer', (answer) => {
  expect(() => unwrap(answer)).toThrow(expect.objectContaining({ code: 'bad_answer' }));
});

it.each([
  [{ code: 1, message: 'timeout' }, 'unreachable', true],
  [{ code: 11, message: 'connection closed' }, 'unreachable', true],
  [{ code: 111, message: 'too many requests', temporary: true }, 'rate_limited', true],
  [{ code: 104, message: 'method not found' }, 'protocol_104', false],
  [{ code: 100, message: 'internal', temporary: true }, 'protocol_100', true],
  [new Error('?'), 'unreachable', true],
])('reads the error %j of the SDK as %s', (error, code, temporary) => {
  expect(fromProtocol(error)).toMatchObject({ code, temporary });
});
