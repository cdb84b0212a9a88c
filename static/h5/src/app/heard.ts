/** Reads channels while a page is shown. */

import type { ChannelName, EventOn, Reader } from '@daibiao/shared';
import { onBeforeUnmount } from 'vue';

import { connection } from './house.js';

type Hear = <S, C extends ChannelName>(channel: C, reader: Reader<S, EventOn<C>>) => void;

/** Answer how to read a channel until the page is left; a page without news is a page all the same. */
export function useChannels(): Hear {
  const stops: (() => void)[] = [];
  let left = false;
  onBeforeUnmount(() => {
    left = true;
    stops.forEach((stop) => stop());
  });
  return (channel, reader) => {
    connection().then((hub) => {
      if (!left) stops.push(hub.open(channel, reader));
    }, () => undefined);
  };
}
