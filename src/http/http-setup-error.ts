/** The HTTP server cannot listen. `message` says what to do. */
class HttpSetupError extends Error {
  override readonly name = 'HttpSetupError';
  /** Whether it may pass without anybody changing a setting. */
  readonly isTransient: boolean;

  constructor(message: string, options: ErrorOptions & { readonly isTransient: boolean }) {
    super(message, options);
    this.isTransient = options.isTransient;
  }
}

/** Returns an {@link HttpSetupError} for what the operating system reports about an address; others unchanged. */
export function toHttpSetupError(cause: unknown, host: string, port: number): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const noAddress = `This machine has no address ${host}. Set HTTP_HOST to one that it has, or remove it.`;
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `Another program listens on ${host}, port ${port}. Choose another HTTP_PORT, or stop that program.`,
    EACCES: `This account may not listen on ${host}, port ${port}. Choose an HTTP_PORT from 1024 on.`,
    EAI_AGAIN: noAddress,
    EADDRNOTAVAIL: noAddress,
    ENOTFOUND: noAddress,
  };
  const message = sentences[code];
  if (message === undefined) return cause;
  // The port may be in use by the bot that this one replaces.
  return new HttpSetupError(message, { isTransient: code === 'EADDRINUSE' || code === 'EAI_AGAIN', cause });
}
