import type { IHasher } from 'hash-wasm';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** The one WebAssembly instance of the process, once it is there. */
let engine: IHasher | undefined;

let loading: Promise<void> | undefined;

/** Where a hasher's state is kept while another one has its turn. */
interface Turn {
  state?: Uint8Array | undefined;
}

/** The hasher whose state is in {@link engine} now. */
let current: Turn | undefined;

/** Loads what hashes, once; only whoever meets BLAKE3 should pay for it. */
export function loadBlake3(): Promise<void> {
  loading ??= load();
  return loading;
}

async function load(): Promise<void> {
  const { createBLAKE3 } = await import('hash-wasm');
  engine = await createBLAKE3();
}

/** Puts the state of `turn` into the engine. */
function enter(turn: Turn): IHasher {
  if (!engine) {
    throw new StatusError(Code.Internal, 'BLAKE3 was used before it was loaded: await load() of the function first');
  }
  if (current === turn) return engine;
  if (current) current.state = engine.save();
  if (turn.state) engine.load(turn.state);
  else engine.init();
  turn.state = undefined;
  current = turn;
  return engine;
}

/**
 * Hashes with BLAKE3, in pieces. WebAssembly instances are made asynchronously, so all hashers take turns on one; each
 * takes its state (2 KiB) along when another comes in between. {@link loadBlake3} must have resolved.
 */
export class Blake3Hasher {
  readonly #turn: Turn = {};

  update(bytes: Uint8Array): void {
    enter(this.#turn).update(bytes);
  }

  /** The hash as lower-case hex. Ends this hasher. */
  digest(): string {
    const hash = enter(this.#turn).digest('hex');
    current = undefined;
    return hash;
  }
}
