/** The ways in which a gate recognises people; each has a view that emits `read` with a code. */

import type { Component } from 'vue';

import CodeMode from './CodeMode.vue';
import { offersFaces } from './face.js';
import FaceMode from './FaceMode.vue';
import type { State } from './state.js';

export interface Mode {
  readonly id: 'code' | 'face';
  readonly label: string;
  readonly view: Component;
  /** Whether it can be used as things stand. */
  readonly offered: (state: State) => boolean;
}

export const MODES: readonly [Mode, ...Mode[]] = [
  { id: 'code', label: '扫码', view: CodeMode, offered: () => true },
  { id: 'face', label: '刷脸', view: FaceMode, offered: offersFaces },
];
