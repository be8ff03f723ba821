import type { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';

/** What a lease asks for. */
export interface ActionRequest {
  readonly digest: Digest;
  /** The Action itself, where the lease carries it; else it is in the CAS. */
  readonly action: reapi.Action | undefined;
}

/** How an action ended. Its outputs are in the CAS already (CMD-12). */
export interface ActionOutcome {
  readonly result: reapi.ActionResult.$Properties;
  /** Why the result is not to be taken for a success, such as DEADLINE_EXCEEDED; `undefined` when it ran to its end. */
  readonly fault?: StatusError;
}

/** A way to execute actions on this machine. */
export interface ActionExecutor {
  /**
   * Resolves when the action ran, whatever its exit code. Rejects with a StatusError when there is nothing to show for it:
   * INVALID_ARGUMENT or FAILED_PRECONDITION where the action is at fault, else the worker is and another may try.
   */
  execute(request: ActionRequest, signal: AbortSignal): Promise<ActionOutcome>;
}
