export { pages as default } from '../eslint.config.mjs';
