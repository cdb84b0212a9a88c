/** What a person is told about an error. */

import { ApiError } from '@daibiao/shared';
import { NoCamera } from '@daibiao/shared/camera';

/** Answer the sentence to show; what nobody foresaw is logged and shown as such. */
export function words(error: unknown): string {
  if (error instanceof ApiError) {
    return error.status === 429 && error.retryAfter !== undefined && error.retryAfter > 1
      ? `${error.message}（${spell(error.retryAfter)}后再试）`
      : error.message;
  }
  if (error instanceof NoCamera) return error.message;
  console.error(error);
  return '页面出错了，请刷新后重试';
}

/** Tell whether a refusal may pass by itself: no network, too many asking, the hub in trouble. */
export function mayPass(error: unknown): boolean {
  return error instanceof ApiError && (error.unreachable || error.status === 429 || error.status >= 500);
}

/** A number of seconds, as people say it. */
export function spell(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} 秒`;
  return `${Math.round(seconds / 60)} 分钟`;
}

const DAY = new Intl.DateTimeFormat('zh-CN', {
  timeZone: 'Asia/Shanghai', month: 'long', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', hour12: false,
});
const DATE = new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', year: 'numeric', month: 'long', day: 'numeric' });
const TIME = new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', hour12: false });

export const day = (instant: string | null | undefined): string => (instant ? DAY.format(new Date(instant)) : '');
export const date = (instant: string | null | undefined): string => (instant ? DATE.format(new Date(instant)) : '');
export const time = (instant: string | null | undefined): string => (instant ? TIME.format(new Date(instant)) : '');
