import 'element-plus/es/components/base/style/css';
import { createApp } from 'vue';

import App from './App.vue';
import { makeRouter } from './app/router.js';
import '@daibiao/shared/ribbon.css';
import './console.css';

createApp(App).use(makeRouter()).mount('#app');
