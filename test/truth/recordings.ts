/**
 * Which recordings there are, and by which names they say what matters: read off their Devices.xml by eye, so that a
 * wrong mapping in the driver is not repeated here.
 */
export interface Recording {
  readonly name: string;
  /** Below the captures folder, in order. */
  readonly files: readonly string[];
  readonly format: "shdr" | "documents";
  /** Of an adapter log that greets several times: which connection, from 1. */
  readonly session?: number;
  /** What to serve it with: Devices.xml below the captures folder, and the device in it. */
  readonly devices: string;
  readonly device: string;
  /** Names (SHDR) or data item ids (documents) of the items that decide; absent where the machine has none. */
  readonly items: {
    readonly execution: string;
    readonly mode?: string;
    readonly availability: string;
    readonly emergencyStop?: string;
    readonly power?: string;
    readonly program: string;
    readonly partCount?: string;
  };
}

const NIST = "mtconnect/nist-smstestbed";
const DEVICES_2020 = `${NIST}/devices-2020.xml`;
const MAZAK01 = { execution: "execution", mode: "mode", availability: "avail", emergencyStop: "estop", power: "power", program: "program", partCount: "PartCountAct" };
/** No emergency stop in its model, although one might be in the log. */
const MAZAK03 = { execution: "execution", mode: "mode", availability: "avail", power: "power", program: "program", partCount: "PartCountAct" };
/** No controller mode: a Hurco says none. */
const HURCO = { execution: "Program_Status", availability: "avail", emergencyStop: "EStop_State", program: "Program_Name_Running", partCount: "Part_Count" };
const GF = { execution: "execution", mode: "mode", availability: "avail", emergencyStop: "estop", program: "program" };
const MAZAK03_IDS = { execution: "Mazak03-path_10", mode: "Mazak03-path_11", availability: "Mazak03-dtop_1", power: "Mazak03-electric_2", program: "Mazak03-path_3", partCount: "Mazak03-path_96" };
const GF_IDS = { execution: "GFAgie01-path_basic_2", mode: "GFAgie01-path_basic_3", availability: "GFAgie01-dtop_1", emergencyStop: "GFAgie01-dtop_2", program: "GFAgie01-path_basic_4" };
const OKUMA = { execution: "pexecution", mode: "pmode", availability: "avail", emergencyStop: "estop", program: "pprogram", partCount: "ppartcount" };
const OKUMA_IDS = { execution: "Lpexecution", mode: "Lpmode", availability: "Lavail", emergencyStop: "Lestop", program: "Lpprogram", partCount: "Lppartcount" };
const OKUMA_DEVICES = { devices: "mtconnect/cppagent/okuma-mazak-devices-2.7.xml", device: "OKUMA" };

const log = (file: string, device: string, items: Recording["items"]): Recording =>
  ({ name: file.replace(/\.txt$/, ""), files: [`${NIST}/${file}`], format: "shdr", devices: DEVICES_2020, device, items });
const pages = (name: string, numbers: readonly string[], device: string, items: Recording["items"]): Recording =>
  ({ name, files: numbers.map((page) => `${NIST}/sample-page-${page}.xml`), format: "documents", devices: DEVICES_2020, device, items });
const okuma = (session: number): Recording =>
  ({ name: `okuma-session-${session}`, files: ["current/okuma-shdr/okuma.txt"], format: "shdr", session, ...OKUMA_DEVICES, items: OKUMA });
const live = (name: string): Recording => ({ name, files: [`mtconnect/live-reference-agent/${name}.http`], format: "documents", ...OKUMA_DEVICES, items: OKUMA_IDS });
const nodeAgent = (machine: string, items: Recording["items"]): Recording =>
  ({ name: `${machine}-adapter-noZ`, files: [`mtconnect/node-agent/${machine}-adapter-noZ.log`], format: "shdr", devices: `mtconnect/node-agent/${machine}-devices.xml`, device: machine, items });

export const RECORDINGS: readonly Recording[] = [
  log("Mazak03-20190626-20190627.txt", "Mazak03", MAZAK03),
  log("Mazak01-20170320-20170321.txt", "Mazak01", MAZAK01),
  log("GFAgie01-20161109-20161110.txt", "GFAgie01", GF),
  log("Hurco01-20170809-20170810.txt", "Hurco01", HURCO),
  log("Hurco02-20170124-20170125.txt", "Hurco02", HURCO),
  log("Hurco04-20170131-clean.txt", "Hurco04", HURCO),
  log("mtc_adapter007-first400-with-merge-markers.txt", "Hurco03", HURCO),
  // Each page alone, and the three in a row: between them stamps step back by four months.
  pages("sample-page-395", ["395"], "Mazak03", MAZAK03_IDS),
  pages("sample-page-396", ["396"], "Mazak03", MAZAK03_IDS),
  pages("sample-pages-395-397", ["395", "396", "397"], "Mazak03", MAZAK03_IDS),
  pages("sample-pages-140-142", ["140", "141", "142"], "GFAgie01", GF_IDS),
  {
    name: "sample-hurco04-01of20", files: [`${NIST}/sample-hurco04-01of20.xml`], format: "documents", devices: DEVICES_2020, device: "Hurco04",
    items: { execution: "Hurco04-path_5", availability: "Hurco04-dtop_1", emergencyStop: "Hurco04-controller_1", program: "Hurco04-path_2", partCount: "Hurco04-path_4" },
  },
  nodeAgent("Mazak01", MAZAK01),
  nodeAgent("Mazak03", MAZAK03),
  live("stream-filtered-2.7"),
  live("stream-all-2.7"),
  okuma(1), okuma(2), okuma(3), okuma(4),
];
