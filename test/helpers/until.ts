import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';

/** Lets the event loop turn until `condition` holds: for what another part of the same process does soon. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 5_000;
  while (!(await condition())) {
    assert.ok(Date.now() < giveUpAt, 'It has not come to pass within 5 s');
    await turn();
  }
}
