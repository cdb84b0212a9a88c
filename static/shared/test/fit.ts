/** Whether a page is fit for everybody. */

import { readFileSync } from 'node:fs';

import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const { PICTURES: pictures } = process.env;
const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf-8');

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What would keep somebody from using the page, and a picture for people to look at. */
export async function judged(page: Page, name: string): Promise<void> {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png` });
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    return (await axe.run()).violations;
  });
  const bad = found.filter((it) => it.impact === 'serious' || it.impact === 'critical');
  expect(bad.map((it) => `${name}: ${it.id} ${it.nodes[0]?.html}`)).toEqual([]);
}
