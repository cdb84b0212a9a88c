import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    testTimeout: 90_000,
    // One hub and one proxy at a time: the files that use them share two cores with it.
    fileParallelism: false,
  },
});
