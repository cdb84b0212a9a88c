/** The ways in which a gate recognises people; each has a view that emits `read` with a code. */

import type { Component } from 'vue';

import CodeMode from './CodeMode.vue';

export interface Mode {
  readonly id: string;
  readonly label: string;
  readonly view: Component;
}

export const MODES: readonly [Mode, ...Mode[]] = [{ id: 'code', label: '扫码', view: CodeMode }];
