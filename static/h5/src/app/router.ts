/** The pages by address. Behind the hash, because WeChat signs what stands before it. */

import { createRouter, createWebHashHistory } from 'vue-router';
import type { RouteLocationNormalized, RouteLocationRaw } from 'vue-router';

import Home from '../features/home/Home.vue';
import { whoami } from './house.js';

declare module 'vue-router' {
  interface RouteMeta {
    title: string;
    /** Everybody may see it, logged in or not. */
    open?: boolean;
  }
}

const NOWHERE = 'nowhere';

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    { path: '/', component: Home, meta: { title: '首页' } },
    { path: '/login', component: () => import('../features/identity/Login.vue'), meta: { title: '登录', open: true } },
    { path: '/bind', component: () => import('../features/identity/Bind.vue'), meta: { title: '绑定身份', open: true } },
    { path: '/qr-login/:id', component: () => import('../features/identity/QrLogin.vue'), meta: { title: '电脑登录' } },
    { path: '/scan', component: () => import('../features/scans/Scan.vue'), meta: { title: '扫一扫', open: true } },
    { path: '/pass', component: () => import('../features/passes/Pass.vue'), meta: { title: '我的签到码' } },
    { path: '/face', component: () => import('../features/faces/Face.vue'), meta: { title: '刷脸' } },
    { path: '/meetings/:meeting/check-in', component: () => import('../features/home/CheckIn.vue'), meta: { title: '会议签到' } },
    { path: '/meetings/:meeting/seats', component: () => import('../features/seats/Seats.vue'), meta: { title: '会场座位' } },
    { path: '/papers/:paper', component: () => import('../features/papers/Paper.vue'), meta: { title: '会议文件' } },
    { path: '/contact', component: () => import('../features/codes/Contact.vue'), meta: { title: '代表信息' } },
    { path: '/manual', component: () => import('../features/home/Manual.vue'), meta: { title: '人工签到' } },
    { path: '/:rest(.*)*', name: NOWHERE, component: () => import('../features/home/Nowhere.vue'), meta: { title: '没有此页', open: true } },
  ],
  scrollBehavior: () => ({ top: 0 }),
});

router.beforeEach(async (to): Promise<RouteLocationRaw | true> => {
  if (to.meta.open) return true;
  try {
    return (await whoami()) ? true : login(to);
  } catch {
    // Nobody can say now; the page itself tells what it cannot fetch.
    return true;
  }
});

router.afterEach((to) => {
  document.title = `${to.meta.title} · 代表服务`;
});

/** Whether this app has a page that the hub names. */
export function has(page: string): boolean {
  return router.resolve(page).name !== NOWHERE;
}

/** Where to log in, and come back from. */
export function login(to: Pick<RouteLocationNormalized, 'fullPath'>): RouteLocationRaw {
  return { path: '/login', query: to.fullPath === '/' ? {} : { to: to.fullPath } };
}

/** Answer a path of this app, whatever was asked for. */
export function onward(asked: unknown): string {
  return typeof asked === 'string' && /^\/(?!\/)/.test(asked) ? asked : '/';
}

/** Answer a path of this app from an address that the hub sends the browser back to. */
export function inside(address: string): string {
  return onward(address.startsWith('/h5/#/') ? address.slice('/h5/#'.length) : undefined);
}
