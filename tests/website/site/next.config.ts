import type { NextConfig } from 'next';

/** As create-next-app makes it, without Tailwind. */
const config: NextConfig = { cacheComponents: true, partialPrefetching: true };

export default config;
