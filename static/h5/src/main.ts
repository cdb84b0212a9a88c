import { createApp } from 'vue';

import './app/style.css';
import App from './app/App.vue';
import { router } from './app/router.js';
import { restore } from './app/size.js';

restore();
createApp(App).use(router).mount('#app');
