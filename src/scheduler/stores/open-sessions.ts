import { randomUUID } from 'node:crypto';
import { rowsOf } from '../../sql/query-rows.js';
import type { NewSession, Session } from '../job-store.js';
import type { SessionRow } from './job-tables.js';
import type { JobTransaction } from './job-transaction.js';
import { closeSession, ofBot, presentSession } from './session-rows.js';

/** Opens sessions, each in place of the last one of its bot. */
export async function openAll(
  transaction: JobTransaction,
  calls: readonly NewSession[],
): Promise<Map<NewSession, Session>> {
  const outcomes = new Map<NewSession, Session>();
  for (let open = calls; open.length > 0; open = open.filter((call) => !outcomes.has(call))) {
    const drained = await loadDrained(transaction, open);
    const last = await lockLast(transaction, open);
    const made = new Map<NewSession, SessionRow>();
    for (const call of open) {
      const replacedRow = last.get(botOf(call.parent, call.botId));
      if (replacedRow) closeSession(transaction, replacedRow, replaced(call.botId));
      const session = newSession(transaction, call, drained.has(botOf(call.parent, call.botId)));
      last.set(botOf(call.parent, call.botId), session);
      made.set(call, session);
    }
    // Where the same bot comes to another controller at this moment, the later one replaces the other in the next round.
    const conflict = '(parent, bot_id) WHERE closed_because IS NULL';
    const added = await transaction.sessions.flush(transaction, { conflict });
    for (const [call, session] of made) {
      if (added.has(session.name)) outcomes.set(call, presentSession(transaction, session));
      else transaction.sessions.drop(session.name);
    }
  }
  return outcomes;
}

/** Those of the bots that are to get nothing new. Until the end of the transaction none is added: see `drainBot`. */
async function loadDrained(transaction: JobTransaction, calls: readonly NewSession[]): Promise<Set<string>> {
  const { sql, dialect } = transaction;
  const { from, bindings } = dialect.listOf({
    parent: calls.map(({ parent }) => parent),
    bot_id: calls.map(({ botId }) => botId),
  });
  const rows = await rowsOf<{ parent: string; bot_id: string }>(
    sql,
    `SELECT parent, bot_id FROM drained_bots WHERE (parent, bot_id) IN (SELECT parent, bot_id FROM ${from})
     ORDER BY parent, bot_id ${dialect.lockRows}`,
    bindings,
  );
  return new Set(rows.map(({ parent, bot_id: botId }) => botOf(parent, botId)));
}

/** The open sessions of the same bots, locked. */
async function lockLast(transaction: JobTransaction, calls: readonly NewSession[]): Promise<Map<string, SessionRow>> {
  const { sql, dialect } = transaction;
  const { from, bindings } = dialect.listOf({
    parent: calls.map(({ parent }) => parent),
    bot_id: calls.map(({ botId }) => botId),
  });
  const found = await rowsOf<{ name: string }>(
    sql,
    `SELECT (
       SELECT name FROM bot_sessions
       WHERE parent = list.parent AND bot_id = list.bot_id AND closed_because IS NULL) AS name
     FROM ${from}`,
    bindings,
  );
  const names = found.flatMap(({ name }) => (name as string | null) ?? []);
  await transaction.lockSessions(names);
  await transaction.loadLeases(names);
  const open = names.flatMap((name) => transaction.openSession(name) ?? []);
  return new Map(open.map((session) => [botOf(session.parent, session.bot_id), session]));
}

function newSession(transaction: JobTransaction, call: NewSession, isDrained: boolean): SessionRow {
  const { parent, botId, isAccepting, offered, keepaliveMs } = call;
  return transaction.sessions.add({
    name: parent === '' ? randomUUID() : `${parent}/${randomUUID()}`,
    parent,
    bot_id: botId,
    revision: 1,
    is_accepting: isAccepting,
    is_drained: isDrained,
    offered: JSON.stringify(offered),
    affinity_key: null,
    expires_at_ms: transaction.nowMs + keepaliveMs,
    closed_because: null,
    closed_at_ms: null,
  });
}

function botOf(parent: string, botId: string): string {
  return JSON.stringify([parent, botId]);
}

const replaced = (botId: string) => ({
  because: `was replaced by a newer session of bot ${JSON.stringify(botId)}`,
  lost: ofBot(botId, 'it started anew while it had the lease'),
  hasVanished: true,
});
