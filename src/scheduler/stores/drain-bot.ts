import { rowsOf } from '../../sql/query-rows.js';
import type { JobTransaction } from './job-transaction.js';

/** Lets a bot get nothing new, or anything again. Returns false if it is neither connected nor drained. */
export async function drainBot(
  transaction: JobTransaction,
  { parent, botId }: { readonly parent: string; readonly botId: string },
  isDrained: boolean,
): Promise<boolean> {
  const { sql, dialect, nowMs } = transaction;
  const bindings = [parent, botId];
  // Waits for sessions that are being opened elsewhere, and lets no other be opened: each has looked here, or is seen below.
  if (dialect.isShared) await rowsOf(sql, 'LOCK TABLE drained_bots IN EXCLUSIVE MODE');
  const drained = await rowsOf(sql, 'SELECT bot_id FROM drained_bots WHERE parent = ? AND bot_id = ?', bindings);
  const open = await rowsOf<{ name: string }>(
    sql,
    'SELECT name FROM bot_sessions WHERE parent = ? AND bot_id = ? AND closed_because IS NULL',
    bindings,
  );
  if (open.length === 0 && drained.length === 0) return false;
  if (isDrained && drained.length === 0) {
    const insert = 'INSERT INTO drained_bots (parent, bot_id, drained_at_ms) VALUES (?, ?, ?)';
    await rowsOf(sql, insert, [...bindings, nowMs]);
  }
  if (!isDrained) await rowsOf(sql, 'DELETE FROM drained_bots WHERE parent = ? AND bot_id = ?', bindings);
  const names = open.map(({ name }) => name);
  await transaction.lockSessions(names);
  for (const name of names) {
    const session = transaction.openSession(name);
    if (!session || session.is_drained === isDrained) continue;
    transaction.sessions.change(session, { is_drained: isDrained });
    // Its call is held where it must not be, or must be: it comes anew.
    transaction.events.push({ type: 'session', sessionName: name });
  }
  return true;
}
