import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compression, defineAlgorithm } from 'vite-plugin-compression2';

/** Where `npm run dev` finds an api. */
const API = process.env.TASKFLOW_URL ?? 'http://127.0.0.1:4000';

export default defineConfig({
  plugins: [
    react(),
    // The api sends these as they are: nothing is compressed while somebody waits.
    compression({
      include: /\.(js|css|html|svg|json)$/,
      threshold: 512,
      algorithms: [defineAlgorithm('brotliCompress'), defineAlgorithm('gzip', { level: 9 })],
    }),
  ],
  build: {
    target: 'es2022',
    // Inlined files would be data: URLs, which the policy of the page allows for pictures only.
    assetsInlineLimit: 0,
    emptyOutDir: true,
    reportCompressedSize: false,
  },
  server: { proxy: { '/graphql': { target: API, ws: true, changeOrigin: true } } },
});
