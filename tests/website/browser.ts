import { join } from 'node:path';

import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

import { findChromium, NO_CHROMIUM } from './chromium.js';

/** A real browser with its profile in `folder`, so that it can be closed and opened again. */
export async function openBrowser(folder: string): Promise<BrowserContext> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(NO_CHROMIUM);
  const browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    headless: true,
    viewport: { width: 900, height: 700 },
    // Chromium's own sandbox refuses root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  browser.setDefaultTimeout(20_000);
  onTestFinished(async () => browser.close());
  return browser;
}

export async function openPage(browser: BrowserContext, url: string): Promise<Page> {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(url);
  return page;
}

export async function logIn(page: Page, username: string, code: string, rememberMe = false): Promise<void> {
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Access code').fill(code);
  await page.getByLabel('Remember me').setChecked(rememberMe);
  await page.getByRole('button', { name: 'Enter' }).click();
}

/** What the page is, in the words of its headline. */
export async function headline(page: Page): Promise<string> {
  return (await page.getByRole('heading').textContent()) ?? '';
}

/** Where `WEBSITE_SCREENSHOTS` names a folder, the page is put into it as a picture. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['WEBSITE_SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) });
}
