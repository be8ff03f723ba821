import assert from 'node:assert/strict';
import { decodeEvents, encodeEvents } from '../../src/scheduler/job-event-message.js';
import type { JobEvent } from '../../src/scheduler/job-events.js';
import { Stage } from '../../src/scheduler/stage.js';

const gap: JobEvent = { type: 'gap', wasAlone: false };

const queued = (platformKey: string, delayMs = 0): JobEvent => ({ type: 'queued', platformKey, delayMs });

describe('Messages between controllers', () => {
  it('carry every kind of event, and who tells it', () => {
    const events: JobEvent[] = [
      { type: 'stage', jobId: 'job', stage: Stage.Completed },
      { type: 'session', sessionName: 'main/session' },
      queued('["a"]'),
      queued('["a"]'),
      queued('["a"]', 1_000),
    ];

    const [message = '', ...others] = encodeEvents('one', events, 8_000);

    assert.deepEqual(others, []);
    assert.deepEqual(decodeEvents(message), { sender: 'one', events });
  });

  it('say many jobs of one platform in the room of one', () => {
    const events = Array.from({ length: 256 }, () => queued(JSON.stringify(['x'.repeat(3_000)])));

    const messages = encodeEvents('one', events, 8_000);

    assert.equal(messages.length, 1);
    assert.equal(decodeEvents(messages[0]!).events.length, 256);
  });

  it('are as many as their length needs, of which none is too long', () => {
    const events = Array.from({ length: 1_000 }, (_, index): JobEvent => ({
      type: 'stage',
      jobId: `é${index}`,
      stage: Stage.Queued,
    }));

    const messages = encodeEvents('one', events, 500);

    for (const message of messages) assert.ok(Buffer.byteLength(message) <= 500, message);
    assert.ok(messages.length < 60, `${messages.length} messages`);
    assert.deepEqual(
      messages.flatMap((message) => decodeEvents(message).events),
      events,
    );
  });

  it('ask to look again where an event is too long to be told', () => {
    const messages = encodeEvents('one', [queued('x'.repeat(8_000)), queued('y')], 8_000);

    assert.deepEqual(
      messages.flatMap((message) => decodeEvents(message).events),
      [gap, queued('y')],
    );
  });

  for (const [title, text] of [
    ['no JSON', 'nonsense'],
    ['no list', '7'],
    ['of a kind that is not known', '["one",["new","something"]]'],
    ['a stage that is not known', '["one",["s","job",17]]'],
  ]) {
    it(`make the reader look again when they are ${title}`, () => {
      assert.deepEqual(decodeEvents(text!).events, [gap]);
    });
  }
});
