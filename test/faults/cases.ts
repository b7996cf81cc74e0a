/** All cases, in the order of the table. */
import type { FaultCase } from "./case.ts";
import { brokerScripted } from "./cases/broker-scripted.ts";
import { clockSteps } from "./cases/clock-steps.ts";
import { damageCase } from "./cases/damage.ts";
import { diskErrors } from "./cases/disk-errors.ts";
import { forgetting } from "./cases/forgetting.ts";
import { fullDisk } from "./cases/full-disk.ts";
import { hostile } from "./cases/hostile.ts";
import { killAgent } from "./cases/kill-agent.ts";
import { killStorage } from "./cases/kill-storage.ts";
import { linkCuts, linkOneWay, linkPoor } from "./cases/link.ts";
import { mosquittoFrozen, mosquittoKilled } from "./cases/mosquitto.ts";
import { outageWeek } from "./cases/outage-week.ts";
import { peerMosquitto } from "./cases/peer-mosquitto.ts";
import { powerCutHonest, powerCutLying } from "./cases/power-cut.ts";
import { busyNeighbour, fewDescriptors, smallMemory } from "./cases/scarce.ts";
import { slowSync } from "./cases/slow-sync.ts";

export const CASES: readonly FaultCase[] = [
  killStorage, killAgent, powerCutHonest, powerCutLying, diskErrors, fullDisk, damageCase, slowSync, outageWeek, brokerScripted, forgetting, hostile, mosquittoKilled, mosquittoFrozen, linkPoor, linkOneWay, linkCuts, clockSteps,
  fewDescriptors, smallMemory, busyNeighbour, peerMosquitto,
];
