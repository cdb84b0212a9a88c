import { app } from '../app.config.js';

export default app('h5');
