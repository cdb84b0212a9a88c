export { code as default } from '../eslint.config.mjs';
