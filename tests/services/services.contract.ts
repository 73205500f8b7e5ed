import { describeAdministration } from './admin.contract.js';
import { describeDeliveries } from './deliveries.contract.js';
import { describeIssuing } from './issue.contract.js';
import { describeLogins } from './login.contract.js';
import { describeRaces } from './races.contract.js';
import type { Engine } from './support.js';

/** What the services promise on every engine. */
export function describeServices(engine: Engine): void {
  describeIssuing(engine);
  describeDeliveries(engine);
  describeAdministration(engine);
  describeLogins(engine);
  describeRaces(engine);
}
