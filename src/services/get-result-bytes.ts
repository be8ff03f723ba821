import type { Digest } from '../digest/digest.js';
import { digestBetween, isPlain } from './digest-bytes.js';

/** Fields of `GetActionResultRequest`: number and wire type. */
const tags = { instanceName: 0x0a, actionDigest: 0x12, digestFunction: 0x30 } as const;

/** What a request asks for that wants no bytes inline. */
export interface ResultQuestion {
  readonly instanceName: string;
  readonly actionDigest: Digest;
}

/** Reads an encoded `GetActionResultRequest`; `undefined` if there is anything unusual in it: then it is to be decoded. */
export function resultQuestionIn(request: Buffer): ResultQuestion | undefined {
  let instanceName = '';
  let functionValue = 0;
  let digest = noField;
  for (let at = 0; at < request.length;) {
    const field = fieldAt(request, at);
    if (!field) return undefined;
    if (field.tag === tags.digestFunction) functionValue = request[at + 1] ?? 0;
    else if (field.tag === tags.instanceName) instanceName = request.toString('latin1', at + 2, field.end);
    // Digests that come twice would be merged.
    else if (digest === noField) digest = field;
    else return undefined;
    if (!isPlain(instanceName)) return undefined;
    at = field.end;
  }
  const actionDigest = digestBetween(request, digest.end - digest.length, digest.end, functionValue);
  return actionDigest && { instanceName, actionDigest };
}

const noField = { tag: 0, length: 0, end: 0 };

/** One of the three fields that a request mostly has, which all have a length or a value below 128. */
function fieldAt(request: Buffer, at: number): typeof noField | undefined {
  const tag = request[at] ?? 0;
  const value = request[at + 1] ?? 0xff;
  const length = tag === tags.digestFunction ? 0 : value;
  const end = at + 2 + length;
  const isUsual = tag === tags.digestFunction || tag === tags.instanceName || tag === tags.actionDigest;
  return isUsual && value < 0x80 && end <= request.length ? { tag, length, end } : undefined;
}
