/** A hand scanner that types: text, then Enter, faster than anybody writes. */

/** Milliseconds between two keys of one code. */
const PAUSE = 100;

/** Listen where nothing else takes the keys; answers how to stop. */
export function wedge(read: (text: string) => void, page: Document = document): () => void {
  let typed = '';
  let last = 0;
  const hear = (event: KeyboardEvent): void => {
    if (event.target instanceof HTMLElement && event.target.matches('input, textarea, select')) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.timeStamp - last > PAUSE) typed = '';
    last = event.timeStamp;
    if (event.key === 'Enter') {
      if (typed) {
        // Enter would press the button that has the focus.
        event.preventDefault();
        read(typed);
      }
      typed = '';
    } else if (event.key.length === 1) {
      if (typed && event.key === ' ') event.preventDefault();
      typed += event.key;
    }
  };
  page.addEventListener('keydown', hear, true);
  return () => page.removeEventListener('keydown', hear, true);
}
