import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, expectTypeOf, it } from 'vitest';

import type { EventOn, Realtime, SessionRevoked } from '../src/index.js';
import type { Announced } from '../src/feed.js';

const SCRIPT = fileURLToPath(new URL('../scripts/events.mjs', import.meta.url));

it('has the events of the catalogue', () => {
  expect(() => execFileSync(process.execPath, [SCRIPT, '--check'], { stdio: 'pipe' })).not.toThrow();
});

it('tells readers and callers what to expect', () => {
  expectTypeOf<Extract<EventOn<`user:${string}`>, { type: 'session.revoked' }>>().toEqualTypeOf<SessionRevoked>();
  expectTypeOf<EventOn<'news'>>().toEqualTypeOf<Announced>();
  expectTypeOf<Parameters<Realtime['rpc']>[0]>().toEqualTypeOf<'clock.now' | 'person.me'>();
});
