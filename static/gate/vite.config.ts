import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { transformWithOxc } from 'vite';
import type { Plugin, UserConfig } from 'vite';
import { readFileSync } from 'node:fs';

import { app } from '../app.config.js';

/** The worker that keeps the page: its name stays, and it knows the names of all else. */
function worker(): Plugin {
  const source = fileURLToPath(new URL('./src/sw.ts', import.meta.url));
  return {
    name: 'gate-worker',
    apply: 'build',
    async generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((it) => it !== 'index.html' && !it.startsWith('.')).sort();
      const made = createHash('sha256').update(files.join('\n')).digest('hex').slice(0, 16);
      const { code } = await transformWithOxc(readFileSync(source, 'utf-8'), source, { target: 'es2020' });
      const filled = code.replaceAll('__FILES__', JSON.stringify(files)).replaceAll('__BUILD__', JSON.stringify(made));
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: filled });
    },
  };
}

const shared = app('gate') as UserConfig;

export default { ...shared, plugins: [...(shared.plugins ?? []), worker()] } satisfies UserConfig;
