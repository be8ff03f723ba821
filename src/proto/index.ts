/** The generated messages, a namespace for each package. 64-bit fields are plain numbers, exact up to 2^53. */
export {
  bgdadmin,
  bgdassets,
  bgdexecution,
  bst,
  bytestream,
  health,
  longrunning,
  reapi,
  remoteasset,
  rpc,
  rwapi,
  semver,
  wellknown,
} from './gen/packages.js';
