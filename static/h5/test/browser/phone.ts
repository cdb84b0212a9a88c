/** A phone with the app, in Chromium, before the hub that the environment names. */

import AxeBuilderSource from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';

const { HUB_URL, HUB_PASSWORD, CHROMIUM } = process.env;

/** Whether there is a hub and a browser to test with. */
export const ready = Boolean(HUB_URL && HUB_PASSWORD && CHROMIUM);

export const env = (name: string): string => process.env[name] ?? '';

export const hub = HUB_URL ?? '';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Start the browser; with `camera`, its camera sees that film. */
export function browser(camera?: string): Promise<Browser> {
  const seen = camera
    ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${camera}`]
    : [];
  return chromium.launch({ executablePath: CHROMIUM ?? '', args: [...FLAGS, ...seen] });
}

export interface Phone {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser complained of: scripts, policy, files. */
  readonly complaints: string[];
}

/** Take a phone out; nobody is logged in. */
export async function phone(from: Browser, more: BrowserContextOptions = {}): Promise<Phone> {
  const context = await from.newContext({
    viewport: { width: 390, height: 844 }, hasTouch: true, locale: 'zh-CN', timezoneId: 'Asia/Shanghai', ...more,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (said) => {
    // A refusal of the hub is part of the conversation, and so is a network that is away; the browser notes each as an error.
    const expected = said.text().startsWith('Failed to load resource') || said.text().includes('ERR_INTERNET_DISCONNECTED');
    if (said.type() === 'error' && !expected) complaints.push(said.text());
  });
  return { page, context, complaints };
}

/** Log in without the form. */
export async function loggedIn(from: Browser, username: string, more: BrowserContextOptions = {}): Promise<Phone> {
  const taken = await phone(from, more);
  const reply = await taken.context.request.post(`${hub}/api/v1/session`, {
    data: { username, password: HUB_PASSWORD },
  });
  expect(reply.status()).toBe(201);
  return taken;
}

export const open = (page: Page, path: string): Promise<unknown> => page.goto(`${hub}/h5/#${path}`);

/** Wait until a page says something. */
export async function says(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor({ timeout: 20_000 });
}

/** What axe-core finds of serious and critical things, in words. */
export async function faults(page: Page): Promise<string[]> {
  // Not a script of the page, so its policy has no say.
  await page.evaluate(AxeBuilderSource.source);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
  });
}
