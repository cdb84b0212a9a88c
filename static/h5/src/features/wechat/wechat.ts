/** WeChat's own scanner, through its JS-SDK; only within WeChat, which allows no copies of it. */

import { api } from '../../app/house.js';

const SCRIPT = 'https://res.wx.qq.com/open/js/jweixin-1.6.0.js';
const PATIENCE = 8000;

interface Wx {
  config(options: {
    debug: boolean; appId: string; timestamp: number; nonceStr: string; signature: string; jsApiList: string[];
  }): void;
  ready(done: () => void): void;
  error(failed: (why: { errMsg: string }) => void): void;
  scanQRCode(options: {
    needResult: 1; scanType: string[];
    success(result: { resultStr: string }): void; cancel(): void; fail(why: { errMsg: string }): void;
  }): void;
}

declare global {
  interface Window {
    wx?: Wx;
  }
}

export function inWeChat(agent: string = navigator.userAgent): boolean {
  return agent.includes('MicroMessenger');
}

let prepared: Promise<Wx> | undefined;

/** Answer what was scanned, or nothing where the person turned back.
 *
 * @throws Error where the scanner cannot be used; there are other ways.
 */
export async function scanByWeChat(): Promise<string | undefined> {
  prepared ??= prepare();
  const wx = await prepared.catch((error: unknown) => {
    prepared = undefined;
    throw error;
  });
  return new Promise((resolve, reject) => {
    wx.scanQRCode({
      needResult: 1,
      scanType: ['qrCode'],
      success: ({ resultStr }) => resolve(resultStr),
      cancel: () => resolve(undefined),
      fail: ({ errMsg }) => reject(new Error(errMsg)),
    });
  });
}

async function prepare(): Promise<Wx> {
  const [signed] = await Promise.all([
    // What stands behind the hash is not signed.
    api.post('/api/v1/wechat/jssdk', { url: location.href.split('#')[0] ?? '' }),
    load(),
  ]);
  const { wx } = window;
  if (!wx) throw new Error('no JS-SDK');
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('the JS-SDK does not answer')), PATIENCE);
    wx.ready(() => resolve(wx));
    wx.error(({ errMsg }) => reject(new Error(errMsg)));
    wx.config({
      debug: false, appId: signed.app_id, timestamp: signed.timestamp, nonceStr: signed.nonce_str,
      signature: signed.signature, jsApiList: ['scanQRCode'],
    });
  });
}

function load(): Promise<void> {
  if (window.wx) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = SCRIPT;
    script.addEventListener('load', () => resolve());
    script.addEventListener('error', () => {
      script.remove();
      reject(new Error('the JS-SDK cannot be loaded'));
    });
    document.head.append(script);
  });
}
