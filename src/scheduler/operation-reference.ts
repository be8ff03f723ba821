/** Names an Operation within its instance. */
export interface OperationReference {
  readonly instanceName: string;
  readonly id: string;
}
