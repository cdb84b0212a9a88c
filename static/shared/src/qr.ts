/** Reading QR codes: with the browser's own reader where there is one, else with jsQR. */

import { frame, openCamera, picture } from './camera.js';

interface Detector {
  detect(source: CanvasImageSource): Promise<readonly { readonly rawValue: string }[]>;
}

declare global {
  var BarcodeDetector:
    | { new (options: { formats: string[] }): Detector; getSupportedFormats(): Promise<string[]> }
    | undefined;
}

type Read = (canvas: HTMLCanvasElement, context: CanvasRenderingContext2D) => Promise<string | undefined>;

/** A code is read well at this width, and seven times a second is soon enough. */
const WIDE = 640;
const EVERY = 140;
/** Sizes at which a chosen picture is tried: a screenshot fills it, a photograph does not. */
const SIZES = [1600, 900, 500];

async function detector(): Promise<Detector | undefined> {
  const { BarcodeDetector } = globalThis;
  if (!BarcodeDetector) return undefined;
  const formats = await BarcodeDetector.getSupportedFormats().catch((): string[] => []);
  return formats.includes('qr_code') ? new BarcodeDetector({ formats: ['qr_code'] }) : undefined;
}

async function reader(): Promise<Read> {
  const own = await detector();
  const { default: jsQR } = await import('jsqr');
  return async (canvas, context) => {
    const found = await own?.detect(canvas).catch(() => []);
    if (found?.[0]) return found[0].rawValue;
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return jsQR(data, width, height)?.data || undefined;
  };
}

/** Look through a camera until told to stop; `seen` hears each code, the same one again and again.
 *
 * @throws NoCamera with what a person should be told.
 */
export async function watch(
  video: HTMLVideoElement, seen: (text: string) => void, facing: 'user' | 'environment' = 'environment',
): Promise<() => void> {
  const close = await openCamera(video, facing);
  const canvas = document.createElement('canvas');
  let over = false;
  const stop = (): void => {
    over = true;
    close();
  };
  void (async () => {
    const read = await reader();
    while (!over) {
      const context = frame(video, canvas, WIDE);
      const text = context && (await read(canvas, context));
      if (text && !over) seen(text);
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  })();
  return stop;
}

/** Answer the code in a picture, or nothing. */
export async function readPicture(file: Blob): Promise<string | undefined> {
  const read = await reader();
  const canvas = document.createElement('canvas');
  for (const size of SIZES) {
    const text = await read(canvas, await picture(file, canvas, size));
    if (text) return text;
  }
  return undefined;
}
