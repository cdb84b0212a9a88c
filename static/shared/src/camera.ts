/** The camera of a phone or a gate, and pictures taken with it. */

/** Why there is no camera, in words; other doors are always open. */
export class NoCamera extends Error {
  override readonly name = 'NoCamera';
}

const WHY: Readonly<Record<string, string>> = {
  NotAllowedError: '没有使用摄像头的权限。请在浏览器或微信的设置中允许，或改用其他方式',
  NotFoundError: '没有找到摄像头，请改用其他方式',
  NotReadableError: '摄像头正被其他程序占用，请关闭后重试',
};

/** Open a camera and show it.
 *
 * @throws NoCamera with what a person should be told.
 */
export async function openCamera(video: HTMLVideoElement, facing: 'user' | 'environment'): Promise<() => void> {
  const devices: MediaDevices | undefined = globalThis.navigator.mediaDevices;
  if (!devices?.getUserMedia) {
    throw new NoCamera(
      globalThis.isSecureContext ? '此浏览器不支持摄像头，请改用其他方式' : '页面不是通过安全连接（https）打开的，浏览器不允许使用摄像头',
    );
  }
  let stream: MediaStream;
  try {
    stream = await devices.getUserMedia({
      audio: false,
      video: { facingMode: facing, width: { ideal: 640 }, height: { ideal: 480 } },
    });
  } catch (error) {
    throw new NoCamera(WHY[error instanceof Error ? error.name : ''] ?? '摄像头无法打开，请改用其他方式');
  }
  const stop = (): void => {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  };
  // The page may have been left while the person was being asked.
  if (!video.isConnected) {
    stop();
    throw new NoCamera('页面已离开');
  }
  video.srcObject = stream;
  video.muted = true;
  video.setAttribute('playsinline', '');
  await video.play().catch(() => undefined);
  return stop;
}

/** What the camera sees now, at most so many pixels wide; `undefined` while it warms up. */
export function frame(video: HTMLVideoElement, canvas: HTMLCanvasElement, widest: number): CanvasRenderingContext2D | undefined {
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) return undefined;
  return drawn(video, video.videoWidth, video.videoHeight, canvas, widest);
}

/** A picture that a person has chosen, drawn with its longer side brought down to `longest`. */
export async function picture(file: Blob, canvas: HTMLCanvasElement, longest: number): Promise<CanvasRenderingContext2D> {
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const widest = width >= height ? longest : (longest * width) / height;
    return drawn(image, width, height, canvas, widest);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function drawn(
  source: CanvasImageSource, width: number, height: number, canvas: HTMLCanvasElement, widest: number,
): CanvasRenderingContext2D {
  const scale = Math.min(1, widest / width);
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new NoCamera('此浏览器不能处理图像');
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context;
}
