/** An opening in Chromium: the staff's desk, a gate with a camera before a printed badge, and the wall. */

import { readFileSync } from 'node:fs';

import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';

import { judged } from './fit.js';
import { house } from './house.js';
import type { House } from './house.js';
import { Proxy } from './proxy.js';

const hub = house() as House;
const { CHROMIUM: executablePath, OPENING: about } = process.env;

interface Opening {
  readonly meeting: string;
  readonly filmed: string;
  readonly names: Readonly<Record<string, string>>;
  readonly codes: Readonly<Record<string, string>>;
  readonly badges: Readonly<Record<string, string>>;
  readonly film: string;
  readonly people: readonly string[];
}

const PATIENCE = { timeout: 20_000, interval: 50 };
const text = (page: Page, part: string): Promise<string> =>
  page.locator(`[data-part="${part}"]`).first().innerText({ timeout: 500 }).catch(() => '');
const shows = (page: Page, part: string, wanted: string | RegExp): Promise<void> =>
  expect.poll(() => text(page, part), PATIENCE).toMatch(wanted);

describe.skipIf(!house() || !executablePath || !about)('an opening', () => {
  let opening: Opening;
  let browser: Browser;
  let proxy: Proxy;
  let desk: Page;
  let gate: Page;
  let wall: Page;
  /** What broke in a page, and what its policy has stopped. */
  const troubles: string[] = [];

  beforeAll(async () => {
    opening = JSON.parse(readFileSync(about ?? '', 'utf-8')) as Opening;
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${opening.film}`,
      ],
    });
    proxy = await Proxy.before(hub.url);
    return async () => {
      await browser.close();
      await proxy.close();
    };
  }, 60_000);

  async function opened(url: string, size: { width: number; height: number }): Promise<Page> {
    const context = await browser.newContext({ viewport: size, permissions: ['camera'], reducedMotion: 'reduce' });
    const page = await context.newPage();
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('console', (said) => {
      if (/Content.Security.Policy/i.test(said.text())) troubles.push(said.text());
    });
    await page.goto(url);
    return page;
  }

  /** The link of a new device, as the desk shows it. */
  async function issued(name: string, role: string): Promise<string> {
    await desk.getByLabel('设备名称').fill(name);
    await desk.getByLabel('用途').selectOption({ label: role });
    await desk.getByRole('button', { name: '新建' }).click();
    await desk.getByRole('region', { name: '新设备' }).getByText(name).waitFor();
    const link = (await desk.locator('[data-part="link"]').getAttribute('href')) ?? '';
    return link.slice(link.indexOf('#'));
  }

  async function api(method: string, path: string, body: object): Promise<Response> {
    const opened = await fetch(`${hub.url}/api/v1/session`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: hub.username, password: hub.password }),
    });
    const { token } = (await opened.json()) as { token: string };
    return fetch(`${hub.url}/api/v1/meetings/${opening.meeting}${path}`, {
      method, headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body: JSON.stringify(body),
    });
  }

  it('a printed badge before the camera is a check-in, at the desk within two seconds, and flips the quorum on the wall', async () => {
    desk = await opened(`${hub.url}/console/#/meetings/${opening.meeting}/checkin`, { width: 1440, height: 900 });
    await judged(desk, 'login');
    await desk.getByLabel('用户名').fill(hub.username);
    await desk.getByLabel('密码', { exact: true }).fill(hub.password);
    await desk.keyboard.press('Enter');
    await shows(desk, 'inside', /^30$/);
    await desk.getByRole('tab', { name: '设备' }).click();
    const screen = await issued('主屏', '会场大屏');
    const scanner = await issued('一号门', '扫码设备');
    await judged(desk, 'desk-devices');
    await desk.getByRole('tab', { name: '扫码记录' }).click();

    wall = await opened(`${proxy.url}/screen/${screen}`, { width: 1920, height: 1080 });
    await shows(wall, 'present', /^30\s*\/ 60$/);
    await shows(wall, 'quorum', '未达法定人数');
    await shows(wall, 'item', '第1项');
    await wall.locator('[data-part="code"][src^="data:"]').waitFor();
    await judged(wall, 'wall-before');

    gate = await opened(`${proxy.url}/gate/${scanner}`, { width: 800, height: 1100 });
    await gate.locator('.verdict').waitFor({ timeout: 20_000 });
    const seen = Date.now();
    expect(await gate.locator('.verdict').getAttribute('data-result')).toBe('ok');
    expect(await gate.locator('.verdict .name').innerText()).toBe(opening.names[opening.filmed]);
    await expect.poll(() => desk.locator('tr[data-result="ok"] th').first().innerText(), PATIENCE).toBe(opening.names[opening.filmed]);
    const took = Date.now() - seen;
    console.log(`the desk showed the scan ${took} ms after the gate`);
    expect(took).toBeLessThan(2000);
    await judged(gate, 'gate-ok');
    expect(gate.url()).not.toContain('#');
    await shows(wall, 'quorum', '已达法定人数');
    await shows(desk, 'quorum', '已达法定人数');
    await judged(wall, 'wall-reached');
    await wall.setViewportSize({ width: 3840, height: 2160 });
    await judged(wall, 'wall-4k');
  }, 90_000);

  it('what a gate scans without a network survives a reload, is handed in, and what the hub judges otherwise is listed', async () => {
    const type = async (person: string): Promise<string | null> => {
      const code = opening.codes[person] ?? '';
      await gate.locator('.verdict').waitFor({ state: 'detached' });
      await gate.evaluate((typed) => {
        for (const key of [...typed, 'Enter']) document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
      }, code);
      await gate.locator('.verdict').waitFor();
      const result = await gate.locator('.verdict').getAttribute('data-result');
      await gate.locator('.verdict').click();
      return result;
    };
    const crowd = opening.people.filter((it) => it !== opening.filmed);
    const [voided, elsewhere, ...others] = crowd as [string, string, ...string[]];
    // The badge that stays before the camera would be scanned again after the reload.
    await gate.locator('.verdict').waitFor({ state: 'detached' });
    await gate.getByRole('button', { name: '关闭摄像头' }).click();
    await gate.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    proxy.cut();
    await judgedOffline();

    const badge = opening.badges[voided] ?? '';
    expect((await api('POST', `/badges/${badge}/revocation`, { reason: '遗失' })).status).toBe(200);
    for (const person of others.slice(0, 9)) expect(await type(person)).toBe('ok');
    expect(await type(voided)).toBe('ok');
    await shows(gate, 'queued', /^10$/);
    await gate.reload();
    await shows(gate, 'queued', /^10$/);
    for (const person of others.slice(9, 18)) expect(await type(person)).toBe('ok');
    expect(await type(others[0] ?? '')).toBe('already_in');
    const byHand = { nonce: 'elsewhere', people: [elsewhere], reason: '二号门' };
    expect((await api('POST', '/check-ins', byHand)).status).toBe(200);
    expect(await type(elsewhere)).toBe('ok');
    await shows(gate, 'queued', /^21$/);
    await judged(gate, 'gate-offline');
    await shows(wall, 'notice', '网络中断');
    await judged(wall, 'wall-offline');

    proxy.mend();
    await shows(gate, 'queued', /^0$/);
    await shows(gate, 'conflicts', '2');
    await gate.locator('[data-part="conflicts"]').click();
    await judged(gate, 'gate-conflicts');
    await gate.getByRole('button', { name: '全部已告知' }).click();
    await gate.getByRole('button', { name: '关闭' }).click();
    expect(await gate.locator('[data-part="conflicts"]').count()).toBe(0);

    await desk.getByRole('tab', { name: '复核不一致（2）' }).click({ timeout: 20_000 });
    await shows(desk, 'inside', /^50$/);
    await judged(desk, 'desk-conflicts');
    await desk.getByRole('tab', { name: '人员' }).click();
    await atTheDesk();
    await judged(desk, 'desk-people');
    await desk.getByRole('button', { name: '大屏方式' }).click();
    await judged(desk, 'desk-wall');
    await expect.poll(() => text(wall, 'present'), PATIENCE).toMatch(/^50/);
    expect(await text(wall, 'notice')).toBe('');
    await desk.keyboard.press('Escape');
    await revoked();
    expect(troubles).toEqual([]);
  }, 120_000);

  /** By hand, with the keyboard: one is let in and taken back, one is to be told something. */
  async function atTheDesk(): Promise<void> {
    const missing = opening.people.find((it) => it !== opening.filmed && opening.names[it]?.endsWith('代表24')) ?? '';
    const row = desk.locator(`tr[data-person="${missing}"]`);
    await desk.getByRole('textbox', { name: /姓名/ }).fill('zhuodai');
    await row.getByRole('button', { name: '签到' }).press('Enter');
    await desk.getByLabel('理由').fill('忘带证件');
    await judged(desk, 'desk-reason');
    await desk.getByLabel('理由').press('Control+Enter');
    await row.getByText('到会').waitFor();
    await shows(desk, 'inside', /^51$/);
    await desk.getByRole('dialog').waitFor({ state: 'hidden' });
    await row.getByRole('button', { name: '撤销' }).press('Enter');
    await desk.getByLabel('理由').fill('登记错人');
    await desk.getByRole('button', { name: '确定' }).press('Enter');
    await row.getByText('未到').waitFor();
    await shows(desk, 'inside', /^50$/);
    await row.getByRole('button', { name: '提示' }).press('Enter');
    await desk.getByLabel('在门口告诉本人').fill('请到 2 号门');
    await desk.getByRole('button', { name: '保存' }).press('Enter');
    await row.getByText('请到 2 号门').waitFor();
  }

  /** A scanner whose token is taken back keeps nothing of the meeting. */
  async function revoked(): Promise<void> {
    await desk.getByRole('tab', { name: '设备' }).click();
    const row = desk.locator('tr', { hasText: '一号门' });
    await row.getByRole('button', { name: '收回' }).click();
    await row.getByRole('button', { name: '确定收回' }).click();
    await row.getByText('已收回').waitFor();
    await gate.evaluate(() => {
      for (const key of ['x', 'Enter']) document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    });
    await gate.getByText('本机的令牌已收回').waitFor();
    await judged(gate, 'gate-revoked');
    const left = await gate.evaluate(() => new Promise((resolve) => {
      indexedDB.open('daibiao-gate').onsuccess = ({ target }) => {
        const store = (target as IDBOpenDBRequest).result.transaction('kept').objectStore('kept');
        store.count().onsuccess = (counted) => resolve((counted.target as IDBRequest<number>).result);
      };
    }));
    expect(left).toBe(0);
  }

  async function judgedOffline(): Promise<void> {
    await gate.evaluate(() => window.dispatchEvent(new Event('offline')));
    await shows(gate, 'link', '离线');
  }
});
