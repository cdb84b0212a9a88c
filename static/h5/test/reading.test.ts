/** What a code is, before anybody is asked about it. */

import { describe, expect, it } from 'vitest';

import { explained, reading } from '../src/features/scans/reading.js';

const ORIGIN = 'https://hub.example';
const CODE = 'RD1.H.cGF5bG9hZA.c2ln-_4';

describe('a code that was scanned', () => {
  it('is ours by its form, with its kind', () => {
    expect(reading(` ${CODE}\n`, ORIGIN)).toEqual({ what: 'code', code: CODE, kind: 'H' });
  });

  it('is ours within an address of this app', () => {
    expect(reading(`${ORIGIN}/h5/#/scan?code=${CODE}`, ORIGIN)).toEqual({ what: 'code', code: CODE, kind: 'H' });
  });

  it('leads to the page that vouches for a computer', () => {
    const path = '/qr-login/01JH0000000000000000000000';
    expect(reading(`${ORIGIN}/h5/#${path}`, ORIGIN)).toEqual({ what: 'page', path });
  });

  it('leads to the check-in of a poster, and lets the hub say what other pages are', () => {
    const meeting = `/meetings/${'0'.repeat(26)}`;
    expect(reading(`${ORIGIN}/h5/#${meeting}/check-in?gate=east`, ORIGIN)).toEqual({ what: 'page', path: `${meeting}/check-in` });
    const seats = `${ORIGIN}/h5/#${meeting}/seats`;
    expect(reading(seats, ORIGIN)).toEqual({ what: 'code', code: seats, kind: 'page' });
  });

  it.each([
    `https://evil.example/h5/#/scan?code=${CODE}`,
    `${ORIGIN}.evil.example/h5/#/scan?code=${CODE}`,
    `${ORIGIN}/h5/#/login?to=/pass`,
    `${ORIGIN}/h5/#/qr-login/../login`,
    `${ORIGIN}/api/v1/session`,
    `${ORIGIN}/h5/#/scan?code=https://evil.example`,
    'javascript:alert(1)',
    'weixin://wxpay/bizpayurl?pr=abc',
    'RD1.H.x',
    `RD2.${CODE.slice(4)}`,
    'x'.repeat(4096),
    '',
  ])('is foreign, and leads nowhere: %s', (text) => {
    expect(reading(text, ORIGIN).what).toBe('foreign');
  });

  it('is explained by what it is, with the host of an address', () => {
    expect(explained('https://evil.example/pay?x=1')).toContain('网址（evil.example）');
    expect(explained('wxp://f2f0abc')).toContain('支付');
    expect(explained('随便什么')).toBe('这不是本系统的二维码。没有执行任何操作。');
  });
});
