/** The camera of the device, as a reader of QR codes. */

import jsQR from 'jsqr';

/** Milliseconds between two looks. */
const EVERY = 100;
/** Pixels: codes at arm's length need no more, and script reads no more in time. */
const WIDTH = 800;

interface Detector {
  detect(source: CanvasImageSource): Promise<readonly { readonly rawValue: string }[]>;
}

interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

type Look = (video: HTMLVideoElement) => Promise<string | undefined>;

export class Camera {
  private stream: MediaStream | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;

  constructor(private readonly video: HTMLVideoElement, private readonly read: (text: string) => void) {}

  /** Begin to look.
   *
   * @throws DOMException where there is no camera, or it is not granted.
   */
  async start(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: 'environment', width: { ideal: 1280 }, height: { ideal: 720 } },
      });
    } catch (error) {
      this.running = false;
      throw error;
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    void this.loop(await looking());
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = undefined;
  }

  /** Whether the light can be switched. */
  get torch(): boolean {
    const track = this.stream?.getVideoTracks()[0];
    return 'torch' in (track?.getCapabilities?.() ?? {});
  }

  async light(on: boolean): Promise<void> {
    const wanted = { advanced: [{ torch: on } as MediaTrackConstraintSet] };
    await this.stream?.getVideoTracks()[0]?.applyConstraints(wanted);
  }

  private async loop(look: Look): Promise<void> {
    if (!this.running) return;
    if (this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !document.hidden) {
      const text = await look(this.video).catch(() => undefined);
      if (text && this.running) this.read(text);
    }
    this.timer = setTimeout(() => void this.loop(look), EVERY);
  }
}

/** How this browser reads codes: by itself, or in script. */
async function looking(): Promise<Look> {
  const { BarcodeDetector } = globalThis as { BarcodeDetector?: DetectorClass };
  const formats = (await BarcodeDetector?.getSupportedFormats().catch(() => [])) ?? [];
  if (BarcodeDetector && formats.includes('qr_code')) {
    const detector = new BarcodeDetector({ formats: ['qr_code'] });
    return async (video) => (await detector.detect(video))[0]?.rawValue;
  }
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  return (video) => {
    const scale = Math.min(1, WIDTH / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    pen?.drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = pen?.getImageData(0, 0, canvas.width, canvas.height);
    return Promise.resolve(picture && jsQR(picture.data, picture.width, picture.height)?.data);
  };
}
