import { app } from '../app.config.js';

export default app('screen');
