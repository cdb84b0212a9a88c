import { expectTypeOf, it } from 'vitest';

import type { EventOn, Realtime, SessionRevoked } from '../src/index.js';
import type { Announced } from '../src/feed.js';

it('tells readers and callers what to expect', () => {
  expectTypeOf<Extract<EventOn<`user:${string}`>, { type: 'session.revoked' }>>().toEqualTypeOf<SessionRevoked>();
  expectTypeOf<EventOn<'news'>>().toEqualTypeOf<Announced>();
  expectTypeOf<'clock.now' | 'person.me'>().toExtend<Parameters<Realtime['rpc']>[0]>();
  expectTypeOf<'no.such'>().not.toExtend<Parameters<Realtime['rpc']>[0]>();
});
