/** Faces at the gate, in Chromium: its camera sees a printed badge, then whoever holds it. */

import { readFileSync } from 'node:fs';

import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';

import { judged } from './fit.js';

const { CHROMIUM: executablePath, HUB_URL: hub, AT_GATE: about } = process.env;

interface AtGate {
  readonly meeting: string;
  readonly token: string;
  readonly film: string;
}

describe.skipIf(!executablePath || !hub || !about)('a face at the gate', () => {
  let browser: Browser;
  let gate: Page;
  const troubles: string[] = [];
  const sent: { readonly nonce: string; readonly frames: readonly string[]; readonly code: string }[] = [];

  beforeAll(async () => {
    const { meeting, token, film } = JSON.parse(readFileSync(about ?? '', 'utf-8')) as AtGate;
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${film}`,
      ],
    });
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, permissions: ['camera'], reducedMotion: 'reduce' });
    // The badge is not to be read before faces were chosen.
    await context.addInitScript(() => localStorage.setItem('gate-camera-away', '1'));
    gate = await context.newPage();
    gate.on('pageerror', (error) => troubles.push(error.message));
    gate.on('console', (said) => {
      if (/Content.Security.Policy/i.test(said.text())) troubles.push(said.text());
    });
    gate.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/face')) sent.push(request.postDataJSON() as (typeof sent)[number]);
    });
    await gate.goto(`${hub}/gate/#t=${token}&m=${meeting}`);
    return () => browser.close();
  }, 60_000);

  const press = (name: string): Promise<void> => gate.getByRole('button', { name, exact: true }).click({ timeout: 15_000 });

  async function verdict(): Promise<[string | null, string]> {
    const sheet = gate.locator('[data-result]');
    await sheet.waitFor({ timeout: 20_000 });
    const found: [string | null, string] = [await sheet.getAttribute('data-result'), await gate.locator('.verdict .name').innerText()];
    await judged(gate, `gate-face-${found[1]}`);
    return found;
  }

  it('comes after the code; what will not do leads to other doors, and is tried again under its number', async () => {
    await press('刷脸');
    await gate.getByText('画面只发给系统核对，本机不保存').waitFor();
    await gate.locator('[data-phase="looking"]', { hasText: '请看镜头' }).waitFor({ timeout: 20_000 });
    if (process.env.PICTURES) await gate.screenshot({ path: `${process.env.PICTURES}/gate-face-looking.png` });
    const refused = gate.getByRole('alertdialog');
    await refused.getByText('未找到人脸').waitFor({ timeout: 20_000 });
    expect(await refused.getByRole('button').allInnerTexts()).toEqual(['按已扫的码签到', '人工', '再试刷脸']);
    expect(await refused.getByRole('button').first().evaluate((it) => it === document.activeElement)).toBe(true);
    await judged(gate, 'gate-face-refused');
    await press('再试刷脸');
    expect(await verdict()).toEqual(['ok', '代表1']);
    expect(sent.map((it) => [it.nonce === sent[0]?.nonce, it.code !== '', it.frames.length])).toEqual([[true, true, 3], [true, true, 3]]);
  }, 60_000);

  it('without a code proposes names, and somebody says which', async () => {
    await press('继续');
    await press('提名');
    const name = gate.getByRole('button', { name: '代表2', exact: true });
    await name.waitFor({ timeout: 20_000 });
    expect(await gate.getByRole('button', { name: '本人确认' }).isDisabled()).toBe(true);
    await name.click();
    await judged(gate, 'gate-face-choosing');
    await press('本人确认');
    expect(await verdict()).toEqual(['ok', '代表2']);
    expect(sent[2]).toMatchObject({ code: '' });
    expect(sent[2]?.nonce).not.toBe(sent[0]?.nonce);
  }, 60_000);

  it('needs a network, says so, and makes way for codes', async () => {
    await gate.evaluate(() => window.dispatchEvent(new Event('offline')));
    await gate.getByText('刷脸需要网络，现用扫码').waitFor();
    expect(await gate.getByRole('button', { name: '刷脸', exact: true }).count()).toBe(0);
    await gate.getByRole('region', { name: '读码' }).waitFor();
    expect(await gate.locator('[data-part="queued"]').innerText()).toBe('0');
    // Back at the hub, the mode that was chosen is there again.
    await gate.getByRole('button', { name: '刷脸', exact: true }).waitFor({ timeout: 20_000 });
    expect(troubles).toEqual([]);
  }, 60_000);
});
