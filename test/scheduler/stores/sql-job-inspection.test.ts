import { jobStoreKinds } from '../../helpers/job-store-kinds.js';
import { describeJobInspection } from '../contract/describe-job-inspection.js';

for (const { kind, open } of jobStoreKinds) describeJobInspection(`SqlJobInspection on ${kind}`, open);
