/** The port cannot be listened on. `message` says what to do. */
export class HttpSetupError extends Error {
  override readonly name = 'HttpSetupError';
  /** Whether it may pass without anybody changing a setting. */
  readonly passes: boolean;

  constructor(message: string, { passes }: { readonly passes: boolean }) {
    super(message);
    this.passes = passes;
  }
}
