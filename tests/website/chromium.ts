import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Returns the path of Chromium: `CHROMIUM_PATH`, or a usual one. */
export function findChromium(): string | undefined {
  const wanted = process.env['CHROMIUM_PATH'];
  return (wanted === undefined ? PLACES : [wanted]).find((path) => existsSync(path));
}

export const NO_CHROMIUM =
  'The website is tested in Chromium, which is not installed. Install it (Debian and Ubuntu: apt-get install ' +
  'chromium), or set CHROMIUM_PATH to its path.';
