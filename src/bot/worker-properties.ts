import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { rwapi } from '../proto/index.js';

/** A key and a value that jobs can ask for (RW-11). */
export interface WorkerProperty {
  readonly key: string;
  readonly value: string;
}

/** Names of processors in the words of RW-11, by Node's. */
const isaByArch: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'arm-a64' };

/** Reads `KEY=VALUE`; the value may hold further `=`. Throws INVALID_ARGUMENT. */
export function parseWorkerProperty(text: string): WorkerProperty {
  const split = text.indexOf('=');
  if (split > 0) return { key: text.slice(0, split), value: text.slice(split + 1) };
  throw new StatusError(Code.InvalidArgument, `Worker property ${JSON.stringify(text)} is not KEY=VALUE`);
}

/** What this machine is, and what it was told to offer besides. A given OSFamily takes the place of the detected one. */
export function workerProperties(
  given: readonly WorkerProperty[],
  { platform, arch }: { readonly platform: string; readonly arch: string } = process,
): readonly WorkerProperty[] {
  const isa = isaByArch[arch];
  const detected = [{ key: 'OSFamily', value: platform }, ...(isa === undefined ? [] : [{ key: 'ISA', value: isa }])];
  const hasOwnFamily = given.some(({ key }) => key === 'OSFamily');
  return [...detected.filter(({ key }) => !(hasOwnFamily && key === 'OSFamily')), ...given];
}

/** Describes a worker of one device. */
export function workerOf(handle: string, properties: readonly WorkerProperty[]): rwapi.Worker.$Properties {
  return { devices: [{ handle, properties: [...properties] }] };
}
