import { Flags } from '@oclif/core';

/** Where a server keeps what its configuration does not place elsewhere. */
export const dataDirFlag = Flags.string({
  summary: "Folder for data, ${BGD_DATA_DIR} in CONFIG; by default below the user's data directory.",
  helpValue: 'DIR',
  env: 'BGD_DATA_DIR',
});
