/** The scripted shift, as an MTConnect machine tells it: its device model, and the signals as data items. */
import { scriptedShift, type Shift, type ShiftStep } from "../../shift.ts";
import { dialectOf } from "../dialect.ts";
import { readModel, type Model } from "../model.ts";
import type { SimulatedObservation } from "../observation.ts";
import type { Feed } from "./feed.ts";

export interface ShiftFeedOptions {
  readonly startMs: number;
  /** Default 1. */
  readonly seed?: number;
  /** Default VMC-3. */
  readonly device?: string;
  /** Decides spellings; default 1.3. */
  readonly schema?: string;
}

/** Signal → data item. FunctionalMode is an EVENT of the path, power and door of the machine. */
const ITEM: Readonly<Record<string, string>> = {
  availability: "avail", emergency_stop: "estop", power_state: "power", door: "door", execution: "exec", controller_mode: "mode",
  functional_mode: "fmode", program: "prog", program_comment: "pcmt", part_count: "pcount", tool: "tool", message: "msg",
  feed_override: "fovr", rapid_override: "rovr", spindle_override: "sovr", spindle_speed: "sspeed", spindle_load: "sload", feedrate: "feed",
};

const DEVICES = `<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.3"><Devices><Device id="vmc" name="DEVICE" uuid="cellgate.simulator.DEVICE">
<Description manufacturer="Cellgate" model="simulated vertical mill"/>
<DataItems><DataItem category="EVENT" id="avail" type="AVAILABILITY"/></DataItems><Components>
<Axes id="axes" name="axes"><Components><Rotary id="s" name="S1"><DataItems>
<DataItem category="SAMPLE" id="sspeed" type="ROTARY_VELOCITY" subType="ACTUAL" units="REVOLUTION/MINUTE" nativeUnits="REVOLUTION/MINUTE"/>
<DataItem category="SAMPLE" id="sload" type="LOAD" units="PERCENT" nativeUnits="PERCENT"/>
<DataItem category="EVENT" id="sovr" type="ROTARY_VELOCITY_OVERRIDE" units="PERCENT"/>
<DataItem category="EVENT" id="smode" type="ROTARY_MODE"><Constraints><Value>SPINDLE</Value></Constraints></DataItem>
</DataItems></Rotary></Components></Axes>
<Door id="doors" name="door"><DataItems><DataItem category="EVENT" id="door" type="DOOR_STATE"/></DataItems></Door>
<Controller id="cont" name="controller"><DataItems>
<DataItem category="EVENT" id="estop" type="EMERGENCY_STOP"/><DataItem category="EVENT" id="power" type="POWER_STATE" subType="CONTROL"/>
<DataItem category="EVENT" id="msg" type="MESSAGE"/><DataItem category="CONDITION" id="syscond" type="SYSTEM"/>
</DataItems><Components><Path id="path" name="path"><DataItems>
<DataItem category="EVENT" id="exec" name="execution" type="EXECUTION"/><DataItem category="EVENT" id="mode" name="mode" type="CONTROLLER_MODE"/>
<DataItem category="EVENT" id="fmode" type="FUNCTIONAL_MODE"/><DataItem category="EVENT" id="prog" name="program" type="PROGRAM"/>
<DataItem category="EVENT" id="pcmt" type="PROGRAM_COMMENT"/><DataItem category="EVENT" id="pcount" name="part_count" type="PART_COUNT"/>
<DataItem category="EVENT" id="tool" type="TOOL_NUMBER"/><DataItem category="SAMPLE" id="feed" type="PATH_FEEDRATE" subType="ACTUAL" units="MILLIMETER/SECOND"/>
<DataItem category="EVENT" id="fovr" type="PATH_FEEDRATE_OVERRIDE" subType="PROGRAMMED" units="PERCENT"/><DataItem category="EVENT" id="rovr" type="PATH_FEEDRATE_OVERRIDE" subType="RAPID" units="PERCENT"/>
<DataItem category="CONDITION" id="logic" type="LOGIC_PROGRAM"/><DataItem category="CONDITION" id="motion" type="MOTION_PROGRAM"/>
</DataItems></Path></Components></Controller></Components></Device></Devices></MTConnectDevices>`;

/** The model every scripted MTConnect machine has. */
export const shiftModel = (device = "VMC-3"): Model => readModel(DEVICES.replaceAll("DEVICE\"", `${device}"`), "the built-in device model");

/** Begins, like any agent, with everything UNAVAILABLE. */
export function shiftFeed(options: ShiftFeedOptions): Feed & { readonly shift: Shift } {
  const model = shiftModel(options.device);
  const shift = scriptedShift(options.seed);
  const optionalStop = dialectOf(options.schema ?? "1.3").since("1.4") ? "OPTIONAL_STOP" : "PROGRAM_OPTIONAL_STOP";
  const start: SimulatedObservation[] = model.items.map((item) => ({ item: item.id, at: options.startMs, value: "UNAVAILABLE" }));
  const conditions: SimulatedObservation[] = ["syscond", "logic", "motion"].map((item) => ({ item, at: options.startMs, value: "NORMAL" }));
  const observationsOf = (step: ShiftStep): SimulatedObservation[] => {
    const at = options.startMs + step.atMs;
    const values = Object.entries(step.signals).map(([signal, value]) => ({ item: itemOf(signal), at, value: value === "OPTIONAL_STOP" ? optionalStop : value }));
    const { alarm } = step;
    if (alarm === undefined) return values;
    return [{ item: "logic", at, value: alarm.active ? alarm.severity : "NORMAL", nativeCode: alarm.code, text: alarm.active ? alarm.text : "" }, ...values];
  };
  return {
    model, shift, startMs: options.startMs, recorded: false, notes: [],
    steps: [
      { atMs: 0, observations: [...start, ...conditions, { item: "smode", at: options.startMs, value: "SPINDLE" }] },
      ...shift.steps.map((step) => ({ atMs: step.atMs, observations: observationsOf(step), ...(step.cable === undefined ? {} : { cable: step.cable }) })),
    ],
  };
}

function itemOf(signal: string): string {
  const item = ITEM[signal];
  if (item === undefined) throw new Error(`the scripted shift speaks of "${signal}", which the simulated MTConnect machine does not have`);
  return item;
}
