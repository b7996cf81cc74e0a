/** A simulated SINUMERIK that plays the scripted shift by a clock, which is the control's own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../contract/time.ts";
import { pace, type Pacing } from "../pace.ts";
import { scriptedShift, type Shift, type ShiftStep } from "../shift.ts";
import { innerPort, startRelay, type Relay } from "./relay.ts";
import type { ServerOptions } from "./server.ts";
import { nativeOf, severityOf } from "./shift.ts";
import { startSinumerik, type SimulatedSinumerik } from "./sinumerik.ts";

export interface OpcuaSimulation {
  /** Where it is to be reached: through the cable. */
  readonly url: string;
  readonly control: SimulatedSinumerik;
  readonly shift: Shift;
  close(): Promise<void>;
}
export interface OpcuaSimulationOptions extends Omit<ServerOptions, "folder" | "now" | "port" | "host"> {
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  readonly now: () => Date;
  readonly seed?: number;
}

/** Stands at the shift's first step; `perform` goes on. */
export async function openShift({ port, host, seed = 1, now, ...options }: OpcuaSimulationOptions): Promise<OpcuaSimulation & { readonly perform: (step: ShiftStep) => void }> {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-simulated-opcua-"));
  const inner = await innerPort();
  const control = await startSinumerik({ ...options, port: inner, folder, now });
  const relay = await startRelay({ port, host, target: inner });
  return {
    url: `opc.tcp://${host}:${relay.port}`, control, shift: scriptedShift(seed), perform: (step) => { perform(control, relay, step); },
    async close() {
      await relay.close();
      await control.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Plays by the clock until it is closed. */
export async function simulateOpcua({ clock, ...options }: Omit<OpcuaSimulationOptions, "now"> & { readonly clock: Clock }): Promise<OpcuaSimulation> {
  const opened = await openShift({ ...options, now: () => new Date(clock.now().unixMs) });
  const pacing: Pacing = pace(opened.shift.steps, clock, opened.perform);
  return {
    ...opened,
    async close() {
      pacing.stop();
      await opened.close();
    },
  };
}

function perform(control: SimulatedSinumerik, relay: Relay, step: ShiftStep): void {
  for (const [path, value] of nativeOf(step)) control.set(path, value);
  const { alarm } = step;
  if (alarm !== undefined) control.alarm(alarm.code, alarm.text, severityOf(alarm.severity), alarm.active);
  if (step.cable === "pull") relay.pull();
  if (step.cable === "plug") relay.plug();
}
