#!/usr/bin/env -S node --import tsx
// Runs the sources as they are, without a build: `npm run dev -- cas upload-file README.md`.
import { fileURLToPath } from 'node:url';

process.env.NODE_ENV = 'development';
const { main } = await import('../src/cli/main.ts');
await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)));
