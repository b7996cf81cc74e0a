/**
 * The functions this driver may ask a control for, and no others: every one of them reads. The encoder refuses what is
 * not in this table, so that a write cannot be made. `source` is the section of focas.md that gives the wire form.
 */

interface ReadFunction {
  /** 1 the control (CNC), 2 its sequence program (PMC). */
  readonly device: 1 | 2;
  readonly command: number;
  /** The vendor's name for it. */
  readonly call: string;
  readonly source: string;
}

export const READ_FUNCTIONS = {
  system: { device: 1, command: 0x18, call: "cnc_sysinfo", source: "§5.1" },
  status: { device: 1, command: 0x19, call: "cnc_statinfo", source: "§5.2" },
  alarmBits: { device: 1, command: 0x1a, call: "cnc_alarm2", source: "§5.7" },
  programNumbers: { device: 1, command: 0x1c, call: "cnc_rdprgnum", source: "§5.3" },
  sequence: { device: 1, command: 0x1d, call: "cnc_rdseqnum", source: "§5.3" },
  alarmTexts: { device: 1, command: 0x23, call: "cnc_rdalmmsg2", source: "§5.7" },
  feed: { device: 1, command: 0x24, call: "cnc_actf", source: "§5.6" },
  spindleSpeed: { device: 1, command: 0x25, call: "cnc_acts", source: "§5.6" },
  position: { device: 1, command: 0x26, call: "cnc_absolute, cnc_machine, cnc_relative, cnc_distance", source: "§5.5" },
  parameterOlder: { device: 1, command: 0x0e, call: "cnc_rdparam, 16i class", source: "§5.4" },
  parameter: { device: 1, command: 0x8d, call: "cnc_rdparam, 30i and 0i-F class", source: "§5.4" },
  diagnosisOlder: { device: 1, command: 0x30, call: "cnc_diagnoss, 16i class", source: "§5.4" },
  diagnosis: { device: 1, command: 0x93, call: "cnc_diagnoss, 30i class", source: "§5.4" },
  macro: { device: 1, command: 0x15, call: "cnc_rdmacro", source: "§3, §4" },
  timer: { device: 1, command: 0x120, call: "cnc_rdtimer", source: "§5.10" },
  block: { device: 1, command: 0x20, call: "cnc_rdexecprog", source: "§5.3" },
  programName: { device: 1, command: 0xcf, call: "cnc_exeprgname", source: "§5.3" },
  programPath: { device: 1, command: 0xfc, call: "cnc_exeprgname2", source: "§5.3" },
  mainProgramPath: { device: 1, command: 0xb9, call: "cnc_pdf_rdmain", source: "§4" },
  programDirectory: { device: 1, command: 0x06, call: "program directory", source: "§4" },
  operatorMessage: { device: 1, command: 0x34, call: "cnc_rdopmsg", source: "§5.8" },
  spindle: { device: 1, command: 0x40, call: "cnc_rdspmeter", source: "§5.6" },
  servoLoad: { device: 1, command: 0x56, call: "cnc_rdsvmeter", source: "§5.6" },
  axisNames: { device: 1, command: 0x89, call: "cnc_rdaxisname", source: "§4" },
  count: { device: 1, command: 0xa4, call: "counts of axes and spindles", source: "§4" },
  commanded: { device: 1, command: 0x97, call: "cnc_rdcommand", source: "§5.9" },
  pmc: { device: 2, command: 0x8001, call: "pmc_rdpmcrng", source: "§5.14" },
} as const satisfies Readonly<Record<string, ReadFunction>>;
export type ReadFunctionName = keyof typeof READ_FUNCTIONS;

/** One question: a function, the control path it is for, and its up to four arguments. */
export interface Block {
  readonly device: number;
  readonly path: number;
  readonly command: number;
  readonly values: readonly number[];
}

export function ask(name: ReadFunctionName, path: number, ...values: readonly number[]): Block {
  const { device, command } = READ_FUNCTIONS[name];
  return { device, path, command, values };
}

const READS: ReadonlySet<string> = new Set(Object.values(READ_FUNCTIONS).map(({ device, command }) => `${device}:${command}`));
export const isRead = ({ device, command }: Block): boolean => READS.has(`${device}:${command}`);
