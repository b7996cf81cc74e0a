/** All cases, in the order of the table. */
import type { FaultCase } from "./case.ts";
import { brokerScripted } from "./cases/broker-scripted.ts";
import { diskErrors } from "./cases/disk-errors.ts";
import { killAgent } from "./cases/kill-agent.ts";
import { killStorage } from "./cases/kill-storage.ts";
import { powerCutHonest, powerCutLying } from "./cases/power-cut.ts";

export const CASES: readonly FaultCase[] = [killStorage, killAgent, powerCutHonest, powerCutLying, diskErrors, brokerScripted];
