/** The light beside the camera, where there is one that a page may switch. */

function track(video: HTMLVideoElement): MediaStreamTrack | undefined {
  return video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
}

export function hasTorch(video: HTMLVideoElement): boolean {
  return 'torch' in (track(video)?.getCapabilities?.() ?? {});
}

export async function light(video: HTMLVideoElement, on: boolean): Promise<void> {
  await track(video)?.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
}
