/** What is heard and felt of a result: a person at a door looks at people. */

import type { Manner } from './words.js';

let device: AudioContext | undefined;

/** Browsers let a page be heard once somebody has touched it. */
export function wakeSound(): void {
  device ??= new AudioContext();
  void device.resume();
}

export function tell(manner: Manner): void {
  navigator.vibrate?.([...manner.shake]);
  if (device?.state !== 'running') return;
  let at = device.currentTime;
  for (const [hertz, ms] of manner.tune) {
    const [voice, loud] = [device.createOscillator(), device.createGain()];
    voice.frequency.value = hertz;
    loud.gain.setValueAtTime(0.3, at);
    loud.gain.exponentialRampToValueAtTime(0.001, at + ms / 1000);
    voice.connect(loud).connect(device.destination);
    voice.start(at);
    voice.stop(at + ms / 1000);
    at += ms / 1000 + 0.04;
  }
}
