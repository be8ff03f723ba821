import { openChannel } from '../../src/client/open-channel.js';
import type { RemoteInstance } from '../../src/client/remote-instance.js';
import { JumpingClock } from './jumping-clock.js';
import { ScriptedServer, type Script } from './scripted-server.js';

/** A client's view of a {@link ScriptedServer}: no waiting, and the longest delays that jitter allows. */
export interface ScriptedRemote extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly clock: JumpingClock;
  readonly remote: RemoteInstance;
}

/** Starts a server that follows `script`, and opens a channel to it. */
export async function scriptedRemote(script: Script = {}): Promise<ScriptedRemote> {
  const server = await ScriptedServer.listen(script);
  const channel = await openChannel({ url: server.url, callTimeoutMs: 5_000 });
  const clock = new JumpingClock();
  return {
    server,
    clock,
    remote: { channel, instanceName: 'main', clock, random: () => 1 },
    [Symbol.asyncDispose]: async () => {
      channel[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
