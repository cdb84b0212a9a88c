/** What the hub knows of one's face, and what it is asked. */

import { ApiError } from '@daibiao/shared';
import type { Answer } from '@daibiao/shared';

import { api } from '../../app/house.js';

export type FaceView = Answer<'GET', '/api/v1/me/face'>;
/** What somebody is asked to do before the camera, in this order. */
export type Challenge = Answer<'POST', '/api/v1/face/challenges'>;
export type Verdict = Answer<'POST', '/api/v1/face/verify'>;
export type Purpose = Challenge['purpose'];

/** Other ways in, which are always open. */
export type Door = 'sms' | 'pin' | 'password' | 'totp' | 'scan';

export const DOORS: Readonly<Record<Door, string>> = {
  sms: '短信验证码', pin: '六位 PIN 码', password: '密码', totp: '动态口令', scan: '扫码',
};

/** Pictures take their time on a slow network, and the engine takes some of its own. */
const SLOW = { patience: 60_000 };

export const mine = (): Promise<FaceView> => api.get('/api/v1/me/face');

export const enrol = (pictures: readonly string[]): Promise<FaceView> =>
  api.put('/api/v1/me/face', { pictures: [...pictures] }, SLOW);

export const forget = (): Promise<undefined> => api.delete('/api/v1/me/face');

export const challenge = (purpose: Purpose, username: string): Promise<Challenge> =>
  purpose === 'sign_in'
    ? api.post('/api/v1/session/face', { username })
    : api.post('/api/v1/face/challenges', { purpose });

export const verify = (id: string, frames: readonly string[]): Promise<Verdict> =>
  api.post('/api/v1/face/verify', { challenge: id, frames: [...frames] }, SLOW);

/** Which of the doors at hand a refusal names; all of them where it names none. */
export function alternatives(error: unknown, doors: readonly Door[]): readonly Door[] {
  const named: unknown = error instanceof ApiError ? error.detail.alternatives : undefined;
  const open = Array.isArray(named) ? doors.filter((door) => named.includes(door)) : [];
  return open.length ? open : doors;
}

/** The picture that is meant where a refusal names one, counted from one. */
export function pictureOf(error: unknown): number | undefined {
  const found = error instanceof ApiError ? /^(?:pictures|frames)\.(\d+)$/.exec(error.field ?? '') : null;
  return found ? Number(found[1]) + 1 : undefined;
}

/** Shared by the page and the camera, so that a step is spoken the same everywhere. */
export const SPOKEN: Readonly<Record<string, string>> = {
  front: '请正对镜头',
  left: '请缓慢向左转头',
  right: '请缓慢向右转头',
  up: '请缓慢抬头',
  down: '请缓慢低头',
};

export const spoken = (step: string): string => SPOKEN[step] ?? '请正对镜头';

