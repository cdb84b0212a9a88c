/** How every app is built: into `dist/<app>/`, with what a hub sends compressed beside it. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import type { Plugin, UserConfig } from 'vite';

export type App = 'h5' | 'gate' | 'screen' | 'console';

const HUB = process.env.HUB_URL ?? 'http://127.0.0.1:8000';

/** Smaller files are not worth a second request header. */
const WORTH_IT = 1024;

export function app(name: App): UserConfig {
  const dist = fileURLToPath(new URL(`./dist/${name}/`, import.meta.url));
  return defineConfig({
    base: `/${name}/`,
    logLevel: 'warn',
    plugins: [vue(), ownFonts(), compressed(dist)],
    build: {
      outDir: dist,
      emptyOutDir: true,
      manifest: true,
      // Phones in WeChat: Chromium 87 and later, iOS 14 and later.
      target: ['es2020', 'chrome87', 'safari14'],
      // A policy without `data:` scripts, and names that change with the content.
      assetsInlineLimit: 0,
      reportCompressedSize: false,
    },
    // `npm run dev -w h5` beside a hub that is running.
    server: { proxy: { '/api': HUB, '/emulation': HUB, '/connection': { target: HUB, ws: true } } },
  });
}

/** Vant's style sheet names a font on a foreign host beside the one that it contains. */
function ownFonts(): Plugin {
  return {
    name: 'own-fonts',
    enforce: 'pre',
    transform(code, id) {
      if (!/\.css(?:$|\?)/.test(id) || !code.includes('at.alicdn.com')) return undefined;
      return { code: code.replace(/,\s*url\((["']?)(?:https?:)?\/\/at\.alicdn\.com[^)]*\)\s*format\([^)]*\)/g, ''), map: null };
    },
  };
}

function compressed(dist: string): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(?:html|js|css|svg|json|wasm)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const content = readFileSync(path);
        if (content.length < WORTH_IT) continue;
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(content));
      }
    },
  };
}
