import type { JobEvent } from './job-events.js';
import { Stage } from './stage.js';

type EncodedEvent =
  | readonly ['q', platformKey: string, delayMs: number, times: number]
  | readonly ['s', jobId: string, stage: Stage]
  | readonly ['b', sessionName: string]
  | readonly ['g'];

/** What is sent from one controller to the others. */
type Message = readonly [sender: string, ...events: readonly EncodedEvent[]];

/** Events, and who tells them. */
export interface Heard {
  readonly sender: string;
  readonly events: readonly JobEvent[];
}

const gap: JobEvent = { type: 'gap', wasAlone: false };

const stages = new Set<unknown>(Object.values(Stage));

/** Packs events into as few messages of at most `maxBytes` as hold them. */
export function encodeEvents(sender: string, events: readonly JobEvent[], maxBytes: number): readonly string[] {
  const head = JSON.stringify([sender]).slice(0, -1);
  const roomBytes = maxBytes - Buffer.byteLength(head) - 1;
  const bodies = [''];
  for (const event of counted(events)) {
    const text = `,${JSON.stringify(event)}`;
    // Too long to be told: the others look again at everything.
    const added = Buffer.byteLength(text) <= roomBytes ? text : ',["g"]';
    const body = bodies.at(-1) ?? '';
    if (Buffer.byteLength(body + added) <= roomBytes) bodies[bodies.length - 1] = body + added;
    else bodies.push(added);
  }
  return bodies.filter((body) => body !== '').map((body) => `${head}${body}]`);
}

/** Reads a message. What this program does not know, as a newer one may say it, makes it look again at everything. */
export function decodeEvents(text: string): Heard {
  try {
    const [sender, ...events] = JSON.parse(text) as Message;
    return { sender, events: events.flatMap(decoded) };
  } catch {
    return { sender: '', events: [gap] };
  }
}

/** Jobs of one platform that are queued together are told as one event and their number. */
function counted(events: readonly JobEvent[]): readonly EncodedEvent[] {
  const queued = new Map<string, Extract<EncodedEvent, readonly ['q', ...unknown[]]>>();
  const others: EncodedEvent[] = [];
  for (const event of events) {
    switch (event.type) {
      case 'queued': {
        const { platformKey, delayMs } = event;
        const key = `${delayMs} ${platformKey}`;
        queued.set(key, ['q', platformKey, delayMs, (queued.get(key)?.[3] ?? 0) + 1]);
        break;
      }
      case 'stage':
        others.push(['s', event.jobId, event.stage]);
        break;
      case 'session':
        others.push(['b', event.sessionName]);
        break;
      case 'gap':
        others.push(['g']);
    }
  }
  return [...others, ...queued.values()];
}

function decoded(event: EncodedEvent): readonly JobEvent[] {
  switch (event[0]) {
    case 'q': {
      const [, platformKey, delayMs, times] = event;
      const queued: JobEvent = { type: 'queued', platformKey, delayMs };
      return Array.from({ length: times }, () => queued);
    }
    case 's':
      return stages.has(event[2]) ? [{ type: 'stage', jobId: event[1], stage: event[2] }] : [gap];
    case 'b':
      return [{ type: 'session', sessionName: event[1] }];
    case 'g':
    default:
      return [gap];
  }
}
