/** Something that was found wrong. */
export interface FsckFinding {
  /** The folder that it is in. */
  readonly folder: string;
  /** The digest of a blob, or the key of a value; absent for what has no name any more. */
  readonly item?: string;
  /** For people. */
  readonly fault: string;
}

/** How far the check of a folder has come. What is in it all is left out where that is not known. */
export interface FsckProgress {
  readonly folder: string;
  readonly items: number;
  readonly sizeBytes: number;
  readonly damaged: number;
  readonly allItems?: number;
  readonly allBytes?: number;
}

/** What has become of a folder of blobs. */
export interface CheckedBlobs {
  readonly folder: string;
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly damaged: number;
}

/** What has become of a folder of action results. */
export interface CheckedResults {
  readonly folder: string;
  readonly results: number;
  readonly damaged: number;
  /** How many lack an output: nobody gets them any more. */
  readonly incomplete: number;
}

/** All that a check has found. */
export interface FsckReport {
  readonly blobs: readonly CheckedBlobs[];
  readonly results: readonly CheckedResults[];
  readonly findings: readonly FsckFinding[];
  /** Whether what is damaged was put aside or removed. */
  readonly isRepaired: boolean;
}
