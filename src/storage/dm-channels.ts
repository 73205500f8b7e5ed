import { Table, text } from './table.js';

/** The DM channels that the bot has opened: one for each Discord account that it sent a DM. */
export class DmChannelRows extends Table {
  async find(userId: string): Promise<string | null> {
    const [row] = await this.rows(
      { id: text },
      'SELECT channel_id AS id FROM dm_channels WHERE user_id = $1',
      [userId],
    );
    return row?.id ?? null;
  }

  async remember(userId: string, channelId: string): Promise<void> {
    await this.query(
      `INSERT INTO dm_channels (user_id, channel_id) VALUES ($1, $2)
       ON CONFLICT (user_id) DO UPDATE SET channel_id = excluded.channel_id`,
      [userId, channelId],
    );
  }

  async forget(userId: string): Promise<void> {
    await this.query('DELETE FROM dm_channels WHERE user_id = $1', [userId]);
  }
}
