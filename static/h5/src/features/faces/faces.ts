/** What the hub knows of one's face, and what it is asked. */

import { ApiError } from '@daibiao/shared';

import { api } from '../../app/house.js';
import type { Entry } from '../identity/entry.js';

export interface FaceView {
  readonly available: boolean;
  readonly reason: '' | 'feature_off' | 'not_configured';
  readonly state: 'none' | 'active' | 'held';
  readonly consent: { readonly purpose: string; readonly version: string; readonly text: string; readonly given: boolean };
  readonly enrolled_at: string | null;
  readonly expires_at: string | null;
  readonly samples: number;
  readonly samples_min: number;
  readonly samples_max: number;
}

/** What somebody is asked to do before the camera, in this order. */
export interface Challenge {
  readonly id: string;
  readonly steps: readonly string[];
  readonly until: string;
  readonly frames_min: number;
  readonly frames_max: number;
}

export interface Verdict {
  readonly passed: true;
  readonly purpose: Purpose;
  readonly until?: string | null;
  readonly entry?: Entry | null;
}

export type Purpose = 'step_up' | 'sign_in';

/** Other ways in, which are always open. */
export type Door = 'sms' | 'pin' | 'password' | 'totp' | 'scan';

export const DOORS: Readonly<Record<Door, string>> = {
  sms: '短信验证码', pin: '六位 PIN 码', password: '密码', totp: '动态口令', scan: '扫码',
};

const FLAG = 'face';
const ME = '/api/v1/me/face';

/** A hub without this feature has no such address. */
function absent(error: unknown): null {
  if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return null;
  throw error;
}

/** Whether one may come in by face; asked before anybody is known. */
export async function offered(): Promise<boolean> {
  const { flags } = await api.get('/api/v1/flags').catch(() => ({ flags: {} as Record<string, boolean> }));
  return flags[FLAG] === true;
}

export function mine(): Promise<FaceView | null> {
  return api.ask('GET', ME).then((view) => view as FaceView, absent);
}

export async function enrol(pictures: readonly string[]): Promise<FaceView> {
  return (await api.ask('PUT', ME, { body: { pictures } })) as FaceView;
}

export async function forget(): Promise<void> {
  await api.ask('DELETE', ME);
}

export async function challenge(purpose: Purpose, username: string): Promise<Challenge> {
  const asked = purpose === 'sign_in'
    ? api.ask('POST', '/api/v1/session/face', { body: { username } })
    : api.ask('POST', '/api/v1/face/challenges', { body: { purpose } });
  return (await asked) as Challenge;
}

export async function verify(id: string, frames: readonly string[]): Promise<Verdict> {
  return (await api.ask('POST', '/api/v1/face/verify', { body: { challenge: id, frames } })) as Verdict;
}

/** Which other doors a refusal names; all that a person might have, where it names none. */
export function alternatives(error: unknown): readonly Door[] {
  const named = error instanceof ApiError ? error.detail.alternatives : undefined;
  const doors = Array.isArray(named) ? named.filter((it): it is Door => typeof it === 'string' && it in DOORS) : [];
  return doors.length ? doors : ['sms', 'password'];
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

