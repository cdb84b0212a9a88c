/** Faces, in Chromium, at the real hub, whose engine sees the same person in every picture. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';

import { browser, env, faults, hub, loggedIn, open, phone, ready, says } from './phone.js';
import type { Phone } from './phone.js';

const shots = env('SHOTS');

async function shoot(page: Page, name: string): Promise<void> {
  if (shots) await page.screenshot({ path: `${shots}/face-${name}.png`, fullPage: true });
}

/** The page is fit for everybody as it stands, in both sizes. */
async function fit(page: Page, name: string): Promise<void> {
  for (const size of ['standard', 'large'] as const) {
    await page.evaluate((large) => document.documentElement.classList.toggle('large', large), size === 'large');
    expect(await faults(page), `${name}, ${size}`).toEqual([]);
    await shoot(page, `${name}-${size}`);
  }
  await page.evaluate(() => document.documentElement.classList.remove('large'));
}

const press = (page: Page, name: string | RegExp): Promise<void> => page.getByRole('button', { name, exact: typeof name === 'string' }).click();

describe.skipIf(!ready)('a face', () => {
  let chromium: Browser;
  const phones: Phone[] = [];
  const taken = (it: Phone): Phone => (phones.push(it), it);

  beforeAll(async () => {
    chromium = await browser(env('CAMERA'));
  });
  afterAll(() => chromium?.close());
  afterEach(async () => {
    const complaints = phones.flatMap((it) => it.complaints);
    await Promise.all(phones.splice(0).map((it) => it.context.close()));
    expect(complaints).toEqual([]);
  });

  it('may be declined as easily as agreed to, and nothing is lost', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, '/');
    await page.getByRole('link', { name: /刷脸/ }).click();
    await says(page, '使用刷脸前，请先了解');
    await fit(page, 'consent');
    const [yes, no] = await Promise.all(['同意使用刷脸', '不同意'].map((name) =>
      page.getByRole('button', { name, exact: true }).evaluate((it) => {
        const { width, height } = it.getBoundingClientRect();
        const { backgroundColor, color, fontSize, borderColor } = getComputedStyle(it);
        return { width, height, backgroundColor, color, fontSize, borderColor };
      })));
    expect(no).toEqual(yes);
    await press(page, '不同意');
    await says(page, '好的，不使用刷脸');
    await open(page, '/pass');
    await page.getByAltText(/我的签到码/).waitFor();
  });

  it('is enrolled with the camera, after a consent and a fresh proof', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, '/face');
    await press(page, '同意使用刷脸');
    await press(page, '用摄像头拍摄');
    await says(page, '请正对镜头');
    await fit(page, 'camera');
    await says(page, '请缓慢向左转头');
    await press(page, '用这 3 张录入');
    await says(page, '请再次验证身份');
    await page.getByLabel('登录密码').waitFor();
    await fit(page, 'proof');
    await page.getByLabel('登录密码').fill(env('HUB_PASSWORD'));
    await press(page, '确定');
    await says(page, '已录入');
    await says(page, '刷脸已启用');
    await fit(page, 'enrolled');
  });

  it('proves who somebody is, where pictures from the phone are enrolled in its place', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, '/face');
    await press(page, '重新录入');
    await press(page, '用这 3 张录入');
    await press(page, '刷脸');
    await press(page, '开始刷脸');
    await says(page, /还有 \d+ 秒/);
    await says(page, '已录入');
  });

  it('lets somebody in who has said who they are', async () => {
    const { page } = taken(await phone(chromium));
    await open(page, '/login');
    expect(await page.getByRole('button', { name: '刷脸登录' }).isDisabled()).toBe(true);
    await page.getByLabel('账号').fill('deputy1');
    await press(page, '刷脸登录');
    await press(page, '开始刷脸');
    await says(page, '闻予澄，您好');
    expect(page.url()).toBe(`${hub}/h5/#/`);
  });

  it('leads to the other doors at once after the third failure, and they let in', async () => {
    const { page } = taken(await phone(chromium));
    await open(page, '/login');
    await page.getByLabel('账号').fill('deputy2');
    await press(page, '刷脸登录');
    await press(page, '开始刷脸');
    await says(page, '还可以再试 2 次');
    await page.getByRole('button', { name: '扫码', exact: true }).waitFor();
    await press(page, '再刷一次脸');
    await says(page, '还可以再试 1 次');
    await press(page, '再刷一次脸');
    await says(page, '请用下面的方式继续');
    await fit(page, 'locked');
    expect(await page.getByRole('button', { name: '再刷一次脸' }).count()).toBe(0);
    const door = await page.getByRole('button', { name: '密码', exact: true }).boundingBox();
    expect(door?.height).toBeGreaterThanOrEqual(60);
    await press(page, '密码');
    await page.getByLabel('密码').fill(env('HUB_PASSWORD'));
    await press(page, '登录');
    await says(page, '蔺书航，您好');
  });

  it('is deleted with the consent, and the other doors stay', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, '/face');
    await press(page, '删除人脸模板');
    await press(page, '撤回同意');
    await says(page, '已撤回同意，人脸模板已删除');
    await says(page, '使用刷脸前，请先了解');
    await page.getByRole('button', { name: '我的签到码' }).click();
    await page.getByAltText(/我的签到码/).waitFor();
  });
});
