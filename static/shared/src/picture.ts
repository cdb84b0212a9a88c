/** Pictures that the hub answers as SVG, made fit for `<img>`: there, unlike in a page, it needs its namespace. */

const NAMESPACE = 'http://www.w3.org/2000/svg';

export function svgPicture(svg: string): string {
  const whole = svg.includes('xmlns=') ? svg : svg.replace('<svg', `<svg xmlns="${NAMESPACE}"`);
  return `data:image/svg+xml,${encodeURIComponent(whole)}`;
}
