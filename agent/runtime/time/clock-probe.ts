/**
 * Asks Linux whether its clock has been set by the network: systemd-timesyncd leaves a file, and `timedatectl` tells the
 * kernel's own mark whichever service sets it (chrony, ntpd). Where neither is there (containers, other systems) nobody
 * says. Once set it stays set: a quartz that has been right is right enough until the next boot.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import type { ClockProbe } from "./clock-trust.ts";

const TIMESYNCD = "/run/systemd/timesync/synchronized";
const ANSWER_MS = 2_000;

export function systemClockProbe(): ClockProbe {
  let isSet = false;
  let isMute = !existsSync("/run/systemd/system");
  return async (signal) => {
    if (!isSet && existsSync(TIMESYNCD)) isSet = true;
    if (isSet) return "set";
    if (isMute) return "unknown";
    const said = await timedatectl(signal);
    if (said === null) isMute = true;
    else isSet = said;
    return said === null ? "unknown" : said ? "set" : "not set";
  };
}

/** Null: it cannot be asked. */
function timedatectl(signal: AbortSignal): Promise<boolean | null> {
  return new Promise((resolve) => {
    execFile("timedatectl", ["show", "--property=NTPSynchronized", "--value"], { timeout: ANSWER_MS, signal, encoding: "utf8" }, (error, output) => {
      const word = output.trim();
      resolve(error !== null || (word !== "yes" && word !== "no") ? null : word === "yes");
    });
  });
}
