import type { Query } from './driver.js';
import { text } from './rows.js';

/** The DM channels that the bot has opened. Each method is one statement. */
export class DmChannelRows {
  readonly #query: Query;

  constructor(query: Query) {
    this.#query = query;
  }

  async find(userId: string): Promise<string | null> {
    const [row] = await this.#query('SELECT channel_id FROM dm_channels WHERE user_id = $1', [userId]);
    return row === undefined ? null : text(row, 'channel_id');
  }

  async remember(userId: string, channelId: string): Promise<void> {
    await this.#query(
      `INSERT INTO dm_channels (user_id, channel_id) VALUES ($1, $2)
       ON CONFLICT (user_id) DO UPDATE SET channel_id = excluded.channel_id`,
      [userId, channelId],
    );
  }

  async forget(userId: string): Promise<void> {
    await this.#query('DELETE FROM dm_channels WHERE user_id = $1', [userId]);
  }
}
