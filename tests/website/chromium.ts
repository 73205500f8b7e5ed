import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a Chromium is: `CHROMIUM_PATH`, or one of the usual places. */
export function findChromium(): string | undefined {
  const wanted = process.env['CHROMIUM_PATH'];
  return (wanted === undefined ? PLACES : [wanted]).find((path) => existsSync(path));
}

export const NO_CHROMIUM =
  'No Chromium was found, and the website is tested in one. Install it, on Debian and Ubuntu with ' +
  '"apt-get install chromium", or name the one that you have in CHROMIUM_PATH.';
