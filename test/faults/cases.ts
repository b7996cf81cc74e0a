/** All cases, in the order of the table. */
import type { FaultCase } from "./case.ts";
import { brokerScripted } from "./cases/broker-scripted.ts";
import { damageCase } from "./cases/damage.ts";
import { diskErrors } from "./cases/disk-errors.ts";
import { killAgent } from "./cases/kill-agent.ts";
import { killStorage } from "./cases/kill-storage.ts";
import { outageWeek } from "./cases/outage-week.ts";
import { powerCutHonest, powerCutLying } from "./cases/power-cut.ts";
import { busyNeighbour, fewDescriptors, smallMemory } from "./cases/scarce.ts";
import { slowSync } from "./cases/slow-sync.ts";

export const CASES: readonly FaultCase[] = [
  killStorage, killAgent, powerCutHonest, powerCutLying, diskErrors, damageCase, slowSync, outageWeek, brokerScripted,
  fewDescriptors, smallMemory, busyNeighbour,
];
