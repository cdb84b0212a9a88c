/** For everybody: every page in both sizes, by axe-core, at 200 % text, with targets that a thumb hits. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';

import { browser, env, faults, loggedIn, open, phone, ready, says } from './phone.js';
import type { Phone } from './phone.js';

const PAGES: readonly (readonly [path: string, until: string | RegExp])[] = [
  ['/', '我的会议'],
  ['/scan', '粘贴二维码内容'],
  ['/pass', '自动更新'],
  ['/face', '其他签到方式'],
  [`/meetings/${env('MEETING')}/check-in`, '用您方便的'],
  [`/meetings/${env('MEETING')}/seats?no=A-3-7`, '您扫的是'],
  [`/papers/${env('PAPER')}`, '打开阅读'],
  [`/contact?code=${env('SEAT_CODE')}`, '这不是代表联络码'],
  [`/contact?code=${env('CONTACT_CODE')}`, '浦东新区代表团'],
  ['/manual', '请入口的工作人员登记'],
  ['/qr-login/01JH0000000000000000000000', '回到首页'],
  ['/nowhere', '没有找到这个页面'],
];
const OPEN: typeof PAGES = [
  ['/login', '账号密码登录'],
  ['/bind?ticket=t', '第一次使用'],
  ['/login?next=totp&ticket=t', '动态口令'],
  ['/login?next=change_password&ticket=t', '请先修改密码'],
];

/** Where to keep pictures for a person to look at, if anywhere. */
const shots = env('SHOTS');

async function look({ page }: Phone, path: string, until: string | RegExp, name: string): Promise<void> {
  await open(page, path);
  await says(page, until);
  // Pictures of the camera and of codes change all the time; what is judged is settled by now.
  await page.waitForLoadState('networkidle').catch(() => undefined);
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

/** Controls that are smaller than a thumb, links within a sentence left out, as WCAG does. */
const small = ({ page }: Phone): Promise<string[]> => page.evaluate(() =>
  Array.from(document.querySelectorAll<HTMLElement>('button, a, input:not(.hidden), label.pick'))
    .filter((it) => it.offsetParent !== null && !it.closest('p'))
    .filter((it) => it.getBoundingClientRect().height < 44)
    .map((it) => `${it.tagName} ${it.textContent?.trim() ?? ''} ${it.getBoundingClientRect().height}`));

const overflow = ({ page }: Phone): Promise<number> => page.evaluate(() =>
  document.documentElement.scrollWidth - document.documentElement.clientWidth);

describe.skipIf(!ready)('every page', () => {
  let chromium: Browser;
  beforeAll(async () => {
    chromium = await browser(env('CAMERA_BLANK'));
  });
  afterAll(() => chromium?.close());

  it.each([['standard', false], ['large', true]] as const)('is fit for everybody in %s', async (size, large) => {
    const inside = await loggedIn(chromium, 'deputy1');
    const outside = await phone(chromium);
    await open(inside.page, '/');
    await says(inside.page, '我的会议');
    if (large) await inside.page.getByRole('button', { name: '大字版' }).click();
    await open(outside.page, '/login');
    if (large) await outside.page.getByRole('button', { name: '大字版' }).click();
    const found: Record<string, unknown> = {};
    for (const [who, pages] of [[inside, PAGES], [outside, OPEN]] as const) {
      for (const [path, until] of pages) {
        await look(who, path, until, `${size}${path.replace(/\W+/g, '-')}`);
        const root = await who.page.evaluate(() => getComputedStyle(document.documentElement).fontSize);
        expect(root, path).toBe(large ? '20px' : '17px');
        const wrong = [...(await faults(who.page)), ...(await small(who))];
        if (await overflow(who)) wrong.push('wider than the phone');
        if (wrong.length) found[path] = wrong;
      }
    }
    expect(found).toEqual({});
    expect([...inside.complaints, ...outside.complaints]).toEqual([]);
    await Promise.all([inside.context.close(), outside.context.close()]);
  });

  it('holds at twice the size of text', async () => {
    const inside = await loggedIn(chromium, 'deputy1');
    for (const [path, until] of PAGES) {
      await look(inside, path, until, `twice${path.replace(/\W+/g, '-')}`);
      await inside.page.evaluate(() => document.documentElement.style.setProperty('font-size', '34px', 'important'));
      expect(await inside.page.evaluate(() => getComputedStyle(document.documentElement).fontSize)).toBe('34px');
      expect(await overflow(inside), path).toBe(0);
      if (shots) await inside.page.screenshot({ path: `${shots}/twice${path.replace(/\W+/g, '-')}.png`, fullPage: true });
    }
    await inside.context.close();
  });

  it('keeps the size on the phone, and with the settings for every other device', async () => {
    const first = await loggedIn(chromium, 'deputy2');
    await open(first.page, '/');
    const kept = first.page.waitForResponse((it) => it.request().method() === 'PATCH' && it.url().endsWith('/preferences'));
    await first.page.getByRole('button', { name: '大字版' }).click();
    expect((await kept).status()).toBe(200);
    const other = await loggedIn(chromium, 'deputy2');
    await open(other.page, '/');
    await other.page.locator('html.large').waitFor({ state: 'attached' });
    await other.page.getByRole('button', { name: '标准字' }).click();
    await other.page.locator('html:not(.large)').waitFor({ state: 'attached' });
    await Promise.all([first.context.close(), other.context.close()]);
  });
});
