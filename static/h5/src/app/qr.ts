/** A QR code of the hub as the address of a picture: what comes from elsewhere is never markup here. */
export function picture(svg: string): string {
  return `data:image/svg+xml,${encodeURIComponent(svg.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" '))}`;
}
