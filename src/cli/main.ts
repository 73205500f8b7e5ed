#!/usr/bin/env node
import process from 'node:process';

// Before everything else: an old Node fails while it loads the packages.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `This program needs Node 20.19 or later, but this is Node ${process.versions.node}. Install Node 24 from https://nodejs.org, then run npm ci again.\n`,
  );
  process.exit(78);
}
const { runCommandLine } = await import('./command-line.js');
await runCommandLine(process.argv);
