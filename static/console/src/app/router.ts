import { createRouter, createWebHashHistory } from 'vue-router';
import type { Router } from 'vue-router';

import { look, session } from './session.js';

export function makeRouter(): Router {
  const router = createRouter({
    history: createWebHashHistory('/console/'),
    routes: [
      { path: '/', redirect: '/meetings' },
      { path: '/login', component: () => import('./Login.vue'), meta: { open: true } },
      { path: '/meetings', component: () => import('./Meetings.vue') },
      { path: '/meetings/:id([0-9A-Z]{26})/checkin', component: () => import('../features/checkins/Desk.vue'), props: true },
      { path: '/:rest(.*)', redirect: '/meetings' },
    ],
  });
  router.beforeEach(async (to) => {
    if (to.meta.open) return true;
    if (!session.asked) await look();
    return session.me ? true : { path: '/login', query: { to: to.fullPath } };
  });
  return router;
}
