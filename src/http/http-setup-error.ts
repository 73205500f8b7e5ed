/** The port cannot be listened on until somebody changes a setting. `message` says which. */
export class HttpSetupError extends Error {
  override readonly name = 'HttpSetupError';
}
