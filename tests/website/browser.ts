import { join } from 'node:path';

import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

import { findChromium, NO_CHROMIUM } from './chromium.js';

/** Opens Chromium with its profile in `folder`. The profile outlives the browser. */
export async function openBrowser(folder: string): Promise<BrowserContext> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(NO_CHROMIUM);
  const browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    headless: true,
    viewport: { width: 900, height: 700 },
    // Chromium's sandbox does not run as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // An address that is neither https nor localhost.
      '--host-resolver-rules=MAP lan.example 127.0.0.1',
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

/** Returns the headline: it says which page is open. */
export async function headline(page: Page): Promise<string> {
  return (await page.getByRole('heading').textContent()) ?? '';
}
