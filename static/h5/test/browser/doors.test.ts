/** Coming in, scanning and being scanned, in Chromium, at the real hub. */

import { readFile } from 'node:fs/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';

import { browser, env, hub, loggedIn, open, phone, ready, says } from './phone.js';
import type { Phone } from './phone.js';

const WECHAT = 'Mozilla/5.0 (Linux; Android 14; Mobile) AppleWebKit/537.36 Chrome/120.0 Mobile MicroMessenger/8.0.50';
/** Stands in for WeChat's script, which no test may fetch: its scanner reads the hall code. */
const JSSDK = (text: string): string => `
  window.wx = {
    ready(done) { this.done = done; },
    error() {},
    config(options) { window.configured = options; setTimeout(() => this.done(), 0); },
    scanQRCode(options) { setTimeout(() => options.success({ resultStr: ${JSON.stringify(text)} }), 0); },
  };`;

/** A browser without a camera, which would be quicker. */
const blind = (): void => void Object.defineProperty(navigator, 'mediaDevices', { value: undefined });

describe.skipIf(!ready)('the doors', () => {
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

  it('lets somebody in by name, and shows their code, their name and their seat', async () => {
    const { page } = taken(await phone(chromium));
    await open(page, '/pass');
    await page.getByLabel('账号').fill('deputy1');
    await page.getByLabel('密码').fill('wrong');
    await page.getByRole('button', { name: '登录', exact: true }).click();
    await says(page, '密码或验证码不正确');
    await page.getByLabel('密码').fill(env('HUB_PASSWORD'));
    await page.getByRole('button', { name: '登录', exact: true }).click();
    await page.getByAltText(/我的签到码/).waitFor();
    await says(page, '闻予澄');
    await says(page, '座位 A 区 3 排 8 座');
    expect(page.url()).toBe(`${hub}/h5/#/pass`);
  });

  it('goes on showing the code for a while without a network, and says so', async () => {
    const { page, context } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, '/pass');
    await page.getByAltText(/我的签到码/).waitFor();
    await context.setOffline(true);
    await says(page, /网络不通，这是 \d+ 秒前的签到码/);
    await page.getByAltText(/我的签到码/).waitFor();
    await context.setOffline(false);
    await says(page, /自动更新/);
  });

  it('reads the hall code with the camera, and the person is in', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy2'));
    await open(page, '/scan');
    await says(page, '签到成功');
    await page.getByRole('button', { name: '再扫一次' }).click();
    await says(page, '不用再扫');
  });

  it('takes a ticket for a code before the login, hands it in afterwards, and only once', async () => {
    const { page } = taken(await phone(chromium));
    const asked: string[] = [];
    page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await page.goto(env('HALL_LINK'));
    await says(page, '已收到您的扫码');
    expect(asked.filter((it) => it.startsWith('POST'))).toEqual(['POST /api/v1/scans/claims']);
    expect(page.url()).not.toContain('RD1');
    await page.getByLabel('账号').fill('deputy3');
    await page.getByLabel('密码').fill(env('HUB_PASSWORD'));
    await page.getByRole('button', { name: '登录', exact: true }).click();
    await says(page, '签到成功');
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  });

  it('says at once that a code in an address is too old', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, `/scan?code=${env('STALE_CODE')}`);
    await says(page, '二维码已过期');
  });

  it('reads a picture, and is told what to do with a code that is too old', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy4'));
    await page.addInitScript(blind);
    await open(page, '/scan');
    await says(page, '此浏览器不支持摄像头');
    await page.setInputFiles('input[type=file]', { name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await says(page, '不是能打开的图片');
    await page.setInputFiles('input[type=file]', env('STALE_PICTURE'));
    await says(page, '每十秒更换一次');
    await page.setInputFiles('input[type=file]', env('HALL_PICTURE'));
    await says(page, '签到成功');
  });

  it('explains a foreign code, opens nothing and tells nobody', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await page.addInitScript(blind);
    await open(page, '/scan');
    await says(page, '此浏览器不支持摄像头');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.getByLabel('内容').fill('https://evil.example/pay?who=me');
    await page.getByRole('button', { name: '核对' }).click();
    await says(page, '这是一个网址（evil.example）');
    expect(asked).toEqual([]);
    expect(page.url()).toBe(`${hub}/h5/#/scan`);
  });

  it('scans with WeChat’s own scanner within WeChat', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy5', { userAgent: WECHAT }));
    await page.route('https://res.wx.qq.com/**', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: JSSDK(env('HALL_LINK')) }));
    await page.route('**/api/v1/wechat/jssdk', (route) => {
      expect(route.request().postDataJSON()).toEqual({ url: `${hub}/h5/` });
      return route.fulfill({ json: { app_id: 'wx1', timestamp: 1, nonce_str: 'n', signature: 's' } });
    });
    await open(page, '/scan');
    await page.getByRole('button', { name: '用微信扫一扫' }).click();
    await says(page, '签到成功');
    expect(await page.evaluate('window.configured')).toMatchObject({ appId: 'wx1', signature: 's', jsApiList: ['scanQRCode'] });
  });

  it('asks for WeChat’s script nowhere else, and the policy would not let it in', async () => {
    const { page } = taken(await phone(chromium));
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).origin));
    await open(page, '/login');
    await page.getByLabel('账号').waitFor();
    expect([...new Set(asked)]).toEqual([hub]);
  });

  it('lets a browser in that shows a code, or keeps it out', async () => {
    const [computer, mine] = [taken(await phone(chromium)), taken(await loggedIn(chromium, 'deputy1'))];
    const show = async (): Promise<string> => {
      const made = computer.page.waitForResponse((it) => it.url().endsWith('/qr-logins') && it.status() === 201);
      await open(computer.page, '/login');
      await computer.page.reload();
      await computer.page.getByRole('button', { name: '扫码登录' }).click();
      return ((await (await made).json()) as { id: string }).id;
    };
    await open(mine.page, `/qr-login/${await show()}`);
    await mine.page.getByRole('button', { name: '不是我，拒绝' }).click();
    await says(computer.page, '手机上拒绝了登录');
    await open(mine.page, `/qr-login/${await show()}`);
    await says(computer.page, '已扫描，请在手机上确认');
    await mine.page.getByRole('button', { name: '是我，确认登录' }).click();
    await says(computer.page, '闻予澄，您好');
  });

  it('says what any other code of ours is, after the login that it takes', async () => {
    const mine = taken(await loggedIn(chromium, 'deputy1'));
    const { link, code } = (await (await mine.context.request.get(`${hub}/api/v1/me/contact-code`)).json()) as { link: string; code: string };
    expect(link).toContain(`/h5/#/scan?code=${code}`);
    const { page } = taken(await phone(chromium));
    await open(page, `/scan?code=${code}`);
    await page.getByLabel('账号').fill('deputy2');
    await page.getByLabel('密码').fill(env('HUB_PASSWORD'));
    await page.getByRole('button', { name: '登录', exact: true }).click();
    await says(page, '闻予澄');
  });

  it('opens every way to check in from the poster at a gate', async () => {
    const { page } = taken(await loggedIn(chromium, 'deputy1'));
    await open(page, `/meetings/${env('MEETING')}/check-in?gate=`);
    await says(page, '第一次全体会议');
    await page.getByRole('link', { name: /我的签到码/ }).click();
    await page.getByAltText(/我的签到码/).waitFor();
  });

  it('opens the paper behind its code, in the version that holds, and says when that is a new one', async () => {
    const { page, context } = taken(await loggedIn(chromium, 'deputy1'));
    const saved = async (): Promise<{ name: string; text: string }> => {
      const coming = page.waitForEvent('download');
      await page.getByRole('button', { name: '保存到手机' }).click();
      const file = await coming;
      return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'latin1') };
    };
    await open(page, `/papers/${env('PAPER')}`);
    await says(page, '关于修改议事规则的决定（草案）');
    await says(page, /第 1 版.*发布/);
    const first = await saved();
    expect([first.name, first.text.slice(0, 5)]).toEqual(['条例草案（一稿）.pdf', '%PDF-']);
    await page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/realtime/token')));
    const replaced = await context.request.put(`${hub}/api/v1/papers/${env('PAPER')}`, {
      headers: { Authorization: `Bearer ${env('STAFF_TOKEN')}` }, data: { v: 1, file_id: env('NEXT_FILE') },
    });
    expect(replaced.status()).toBe(200);
    await says(page, '此文件已更新为第 2 版');
    const second = await saved();
    expect([second.name, second.text === first.text]).toEqual(['条例草案（二稿）.pdf', false]);
    await page.getByRole('button', { name: '打开阅读' }).click();
    await page.waitForURL(/\/api\/v1\/files\/[0-9A-Z]{26}\/content$/);
    await page.goBack();
    await says(page, /第 2 版.*更新/);
    await context.setOffline(true);
    await page.getByRole('button', { name: '打开阅读' }).click();
    await says(page, '网络不可用，请稍后再试');
    await context.setOffline(false);
    await open(page, `/papers/${'0'.repeat(26)}`);
    await says(page, '没有找到这份文件');
  });

  it('says whether a seat is one’s own and where that is, and follows when it is given anew', async () => {
    const mine = taken(await loggedIn(chromium, 'deputy1'));
    await open(mine.page, `/scan?code=${env('SEAT_CODE')}`);
    await mine.page.getByRole('button', { name: '打开' }).click();
    await says(mine.page, '这就是您的座位，请就座');
    await says(mine.page, '3 排在本区是 1 至 10 座，您在 8 座，挨着 7 座和 9 座。');
    await open(mine.page, `/meetings/${env('MEETING')}/seats?no=A-3-7`);
    await says(mine.page, '您扫的是 A 区 3 排 7 座');
    await mine.page.getByRole('img', { name: '会场座位图，您的座位：A 区 3 排 8 座，您扫的座位：A 区 3 排 7 座' }).waitFor();
    const { page, context } = taken(await loggedIn(chromium, 'deputy2'));
    await open(page, `/meetings/${env('MEETING')}/seats?no=A-3-8`);
    await says(page, '没有为您安排座位');
    expect(await page.locator('main').innerText()).not.toContain('闻予澄');
    await page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/realtime/token')));
    const given = await context.request.post(`${hub}/api/v1/meetings/${env('MEETING')}/seats`, {
      headers: { Authorization: `Bearer ${env('STAFF_TOKEN')}` }, data: { assignments: [{ no: 'B-1-1', person_id: env('DEPUTY2') }] },
    });
    expect(await given.json()).toMatchObject({ results: [{ outcome: 'assigned' }] });
    await says(page, 'B 区 1 排 12 座');
    await open(page, `/meetings/${'0'.repeat(26)}/seats`);
    await says(page, '没有找到这次会议的座位图');
  });

  it('shows of a deputy what is public, and of any other code that it is none of these', async () => {
    const { page, context } = taken(await loggedIn(chromium, 'deputy1'));
    const { code } = (await (await context.request.get(`${hub}/api/v1/me/contact-code`)).json()) as { code: string };
    await open(page, `/scan?code=${code}`);
    await page.getByRole('button', { name: '打开' }).click();
    await page.getByRole('heading', { name: '闻予澄' }).waitFor();
    expect(await page.getByRole('definition').allInnerTexts()).toEqual(['浦东新区代表团']);
    await open(page, `/contact?code=${env('SEAT_CODE')}`);
    await says(page, '这不是代表联络码');
    await open(page, `/contact?code=${code.slice(0, -8)}AAAAAAAA`);
    await says(page, '二维码无效');
    await open(page, '/contact');
    await says(page, '没有找到这位代表的公开信息');
  });

  it('shows on the phone that the gate has read its code', async () => {
    const { page, context } = taken(await loggedIn(chromium, 'deputy6'));
    await open(page, '/pass');
    await page.getByAltText(/我的签到码/).waitFor();
    await page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/realtime/token')));
    const pass = (await (await context.request.get(`${hub}/api/v1/me/pass?meeting=${env('MEETING')}`)).json()) as { code: string };
    const reply = await context.request.post(`${hub}/api/v1/scans`, {
      headers: { Authorization: `Bearer ${env('SCANNER_TOKEN')}` },
      data: { nonce: 'gate-1', code: pass.code, meeting_id: env('MEETING') },
    });
    expect(await reply.json()).toMatchObject({ result: 'ok' });
    await says(page, /^签到成功 \d\d:\d\d$/);
  });
});
