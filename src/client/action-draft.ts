import type { BlobSource } from '../blobstore/blob-source.js';
import { Digest } from '../digest/digest.js';
import { SHA256 } from '../digest/digest-function.js';
import { buildTree } from '../merkle/build-tree.js';
import { compareByName, compareByUtf8 } from '../merkle/directory.js';
import { encodeDirectory } from '../merkle/tree.js';
import { reapi } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';

/** A command with its inputs, as a person would describe it. */
export interface ActionSpec {
  readonly argv: readonly string[];
  /** Folder with the inputs. @defaultValue no inputs */
  readonly inputRoot?: string | undefined;
  /** What the command may leave behind, of whatever kind, relative to the working directory. */
  readonly outputPaths?: readonly string[];
  readonly environment?: ReadonlyMap<string, string>;
  /** What the bot must offer, as pairs of name and value; a name may occur more than once. */
  readonly platform?: readonly (readonly [name: string, value: string])[];
  /** @defaultValue the server's choice */
  readonly timeoutMs?: number | undefined;
  /** Neither looks up nor stores the result. @defaultValue false */
  readonly doNotCache?: boolean;
}

/** An Action that is ready to be uploaded and executed. */
export interface ActionDraft {
  readonly digest: Digest;
  /** The Action, its Command, and all inputs. */
  readonly sources: readonly BlobSource[];
}

/**
 * Makes an Action of `spec`. Equal specs give equal digests: whatever REAPI wants sorted is sorted (DIG-10), so that
 * the result of one is found for the other.
 */
export async function draftAction(spec: ActionSpec, signal?: AbortSignal): Promise<ActionDraft> {
  const { root, sources } = await inputsOf(spec.inputRoot, signal);
  const platform = platformOf(spec.platform ?? []);
  const command = sourceOf(reapi.Command.encode(commandOf(spec, platform)).finish());
  const action = sourceOf(
    reapi.Action.encode({
      commandDigest: command.digest.toProto(),
      inputRootDigest: root.toProto(),
      doNotCache: spec.doNotCache ?? false,
      ...(spec.timeoutMs !== undefined && { timeout: secondsAndNanosOf(spec.timeoutMs) }),
      // Servers before REAPI 2.2 look into the Command, later ones here (EX-12).
      ...(platform && { platform }),
    }).finish(),
  );
  return { digest: action.digest, sources: [...sources, command, action] };
}

async function inputsOf(
  path: string | undefined,
  signal?: AbortSignal,
): Promise<{ readonly root: Digest; readonly sources: readonly BlobSource[] }> {
  if (path !== undefined) return buildTree(path, {}, signal);
  const { digest, data } = encodeDirectory({}, SHA256);
  return { root: digest, sources: [{ digest, data }] };
}

function commandOf(spec: ActionSpec, platform: reapi.Platform.$Properties | undefined): reapi.Command.$Properties {
  const environment = [...(spec.environment ?? [])].map(([name, value]) => ({ name, value }));
  const outputPaths = [...new Set(spec.outputPaths)].sort(compareByUtf8);
  return {
    arguments: [...spec.argv],
    environmentVariables: environment.sort(compareByName),
    outputPaths,
    ...(platform && { platform }),
  };
}

function platformOf(pairs: NonNullable<ActionSpec['platform']>): reapi.Platform.$Properties | undefined {
  if (pairs.length === 0) return undefined;
  const properties = pairs.map(([name, value]) => ({ name, value }));
  return { properties: properties.sort((a, b) => compareByName(a, b) || compareByUtf8(a.value, b.value)) };
}

function sourceOf(data: Uint8Array): BlobSource {
  return { digest: Digest.of(data), data };
}
