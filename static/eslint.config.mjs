import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';
import vueParser from 'vue-eslint-parser';

const rules = {
  'no-empty': 'error',
  'no-constant-condition': 'error',
  eqeqeq: 'error',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-non-null-assertion': 'error',
  '@typescript-eslint/no-unused-vars': 'error',
};

/** What holds for every file of ours; a generated file is judged by its generator. */
export const code = [
  { ignores: ['dist/**', 'src/api.d.ts'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules,
  },
];

/** And for components besides. */
export const pages = [
  ...code,
  ...vue.configs['flat/essential'],
  {
    files: ['**/*.vue'],
    languageOptions: { parser: vueParser, parserOptions: { parser: tseslint.parser } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      ...rules,
      // What is shown is text: markup from anywhere would be a way in.
      'vue/no-v-html': 'error',
      'vue/multi-word-component-names': 'off',
    },
  },
];
