import { summariseOutputs, type ActionResult, type OutputSummary } from '../client/action-result.js';
import type { DigestFunction } from '../digest/digest-function.js';

/** Lays out what an action has left behind, a fact a line. */
export function presentActionResult(result: ActionResult, fn: DigestFunction): string {
  const worker = result.executionMetadata?.worker;
  const lines = [
    `exit code: ${result.exitCode ?? 0}`,
    ...(worker ? [`worker: ${worker}`] : []),
    ...summariseOutputs(result, fn).map(presentOutput),
    ...presentPrinted('stdout', result.stdoutRaw, result.stdoutDigest?.sizeBytes),
    ...presentPrinted('stderr', result.stderrRaw, result.stderrDigest?.sizeBytes),
  ];
  return lines.join('\n');
}

function presentOutput(output: OutputSummary): string {
  switch (output.type) {
    case 'file':
      return `file: ${output.path} ${output.digest}${output.executable ? ' (executable)' : ''}`;
    case 'directory':
      return `directory: ${output.path} ${output.digest}`;
    case 'symlink':
      return `symlink: ${output.path} -> ${output.target}`;
  }
}

function presentPrinted(
  name: string,
  raw: Uint8Array | null | undefined,
  storedBytes: number | null | undefined,
): readonly string[] {
  const sizeBytes = raw && raw.length > 0 ? raw.length : (storedBytes ?? 0);
  return sizeBytes > 0 ? [`${name}: ${sizeBytes} bytes`] : [];
}
